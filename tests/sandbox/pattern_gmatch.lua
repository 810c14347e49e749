-- An iteration that backtracks.
-- outcome: LIMIT_CPU
-- line: 6

before("report.create", function(report)
  for _ in ("a"):rep(60000):gmatch("(a*)(a*)(a*)b") do end
end)
