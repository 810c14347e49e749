-- The name is not there: module.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'module'
-- line: 7

before("report.create", function(report)
  return type(module)
end)
