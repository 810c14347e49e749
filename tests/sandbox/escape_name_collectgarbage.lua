-- The name is not there: collectgarbage.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'collectgarbage'
-- line: 7

before("report.create", function(report)
  return type(collectgarbage)
end)
