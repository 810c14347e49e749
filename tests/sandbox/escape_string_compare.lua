-- Compares what cannot be.
-- outcome: SCRIPT_ERROR
-- says: attempt to compare
-- line: 7

before("report.create", function(report)
  return {} < {}
end)
