-- Inserts at the front of a growing list.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local t = {}
  while true do table.insert(t, 1, 1) end
end)
