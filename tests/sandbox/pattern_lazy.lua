-- The same with lazy items.
-- outcome: LIMIT_CPU
-- line: 6

before("report.create", function(report)
  return ("a"):rep(5000):match(".-.-.-.-b")
end)
