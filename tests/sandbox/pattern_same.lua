-- A capture that is looked for again.
-- outcome: LIMIT_CPU
-- line: 7

before("report.create", function(report)
  local s = ("a"):rep(20000)
  return s:match("(.*)(.*)%1%2b")
end)
