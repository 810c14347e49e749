-- The name is not there: arg.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'arg'
-- line: 7

before("report.create", function(report)
  return type(arg)
end)
