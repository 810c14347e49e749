-- Indexes null.
-- outcome: SCRIPT_ERROR
-- says: attempt to index
-- line: 7

before("report.create", function(report)
  return null.x
end)
