-- The same with pairs.
-- outcome: LIMIT_CPU
-- cpu: 100

before("report.create", function(report)
  local t = {}
  for i = 1, 200000 do t[i] = i end
  for i = 1, 200000 do t[i] = nil end
  while true do for _ in pairs(t) do end end
end)
