-- Holds more than half of it and makes garbage beside: that is allowed.
-- outcome: ok
-- cpu: 2000

before("report.create", function(report)
  local kept = {}
  for i = 1, 40000 do kept[i] = { name = "x" .. i } end
  for i = 1, 300000 do local _ = { i } end
  return #kept
end)
