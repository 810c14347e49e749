-- Quadratic on a long text.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local s = ("a"):rep(60000)
  while true do s:match("a*b") end
end)
