-- Looks for the first key of a large table that is empty.
-- outcome: LIMIT_CPU
-- cpu: 200

before("report.create", function(report)
  local t = {}
  for i = 1, 60000 do t["k" .. i % 30000 .. i] = i end
  for k in pairs(t) do t[k] = nil end
  while true do next(t) end
end)
