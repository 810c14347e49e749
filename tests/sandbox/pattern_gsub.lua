-- A substitution that backtracks.
-- outcome: LIMIT_CPU
-- line: 6

before("report.create", function(report)
  return (("a"):rep(60000):gsub("a-a-a-a-b", ""))
end)
