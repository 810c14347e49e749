-- The same with optional ones.
-- outcome: LIMIT_CPU
-- line: 6

before("report.create", function(report)
  return ("a"):rep(40):match(("a?"):rep(40) .. ("a"):rep(40) .. "b")
end)
