-- The name is not there: coroutine.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'coroutine'
-- line: 7

before("report.create", function(report)
  return type(coroutine)
end)
