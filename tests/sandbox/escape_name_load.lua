-- The name is not there: load.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'load'
-- line: 7

before("report.create", function(report)
  return type(load)
end)
