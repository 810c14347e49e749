-- The name is not there: newproxy.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'newproxy'
-- line: 7

before("report.create", function(report)
  return type(newproxy)
end)
