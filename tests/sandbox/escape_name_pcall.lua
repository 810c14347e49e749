-- The name is not there: pcall.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'pcall'
-- line: 7

before("report.create", function(report)
  return type(pcall)
end)
