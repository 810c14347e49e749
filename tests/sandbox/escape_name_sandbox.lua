-- The name is not there: sandbox.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'sandbox'
-- line: 7

before("report.create", function(report)
  return type(sandbox)
end)
