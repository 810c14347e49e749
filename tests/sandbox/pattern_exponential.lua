-- Backtracks without end.
-- outcome: LIMIT_CPU
-- line: 6

before("report.create", function(report)
  return ("a"):rep(40):match(("a*"):rep(20) .. "b")
end)
