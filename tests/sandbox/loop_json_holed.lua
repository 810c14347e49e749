-- Encodes large tables that are empty.
-- outcome: LIMIT_CPU
-- cpu: 200

before("report.create", function(report)
  local holed = {}
  for i = 1, 60000 do holed["k" .. i] = i end
  for k in pairs(holed) do holed[k] = nil end
  local t = {}
  for i = 1, 20000 do t[i] = holed end
  json.encode(t)
end)
