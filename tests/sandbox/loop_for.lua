-- Counts to infinity.
-- outcome: LIMIT_CPU
-- line: 6

before("report.create", function(report)
  for _ = 1, math.huge do end
end)
