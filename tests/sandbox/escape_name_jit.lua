-- The name is not there: jit.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'jit'
-- line: 7

before("report.create", function(report)
  return type(jit)
end)
