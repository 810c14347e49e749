-- Mathematics for ever.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local x = 1
  while true do x = math.sin(x) + math.fmod(x, 3) ^ 2.5 end
end)
