-- Encodes and decodes again and again.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local t = {}
  for i = 1, 5000 do t[i] = { name = "x", value = i } end
  while true do json.decode(json.encode(t)) end
end)
