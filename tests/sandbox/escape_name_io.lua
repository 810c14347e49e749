-- The name is not there: io.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'io'
-- line: 7

before("report.create", function(report)
  return type(io)
end)
