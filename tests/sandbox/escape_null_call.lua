-- Calls null.
-- outcome: SCRIPT_ERROR
-- says: attempt to call
-- line: 7

before("report.create", function(report)
  return null()
end)
