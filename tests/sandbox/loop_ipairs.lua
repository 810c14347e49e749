-- Walks a long list for ever.
-- outcome: LIMIT_CPU
-- cpu: 50

before("report.create", function(report)
  local t = {}
  for i = 1, 100000 do t[i] = i end
  while true do for _ in ipairs(t) do end end
end)
