-- Quadratic with a class.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local s = ("a"):rep(60000)
  while true do s:find("[%a%d]+[%s]") end
end)
