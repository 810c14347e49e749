-- Asks for the length of a list with holes.
-- outcome: LIMIT_CPU
-- cpu: 100

before("report.create", function(report)
  local t = {}
  for i = 1, 100000 do t[i * 2] = i end
  while true do local _ = #t end
end)
