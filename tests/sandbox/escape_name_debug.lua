-- The name is not there: debug.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'debug'
-- line: 7

before("report.create", function(report)
  return type(debug)
end)
