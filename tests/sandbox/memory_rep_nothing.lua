-- Repeats nothing, two thousand million times.
-- outcome: ok

before("report.create", function(report)
  return #(""):rep(2 ^ 31 - 1)
end)
