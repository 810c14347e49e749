-- The name is not there: xpcall.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'xpcall'
-- line: 7

before("report.create", function(report)
  return type(xpcall)
end)
