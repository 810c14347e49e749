-- Sorts much with a comparator that is quick.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local t = {}
  for i = 1, 50000 do t[i] = -i end
  while true do
    table.sort(t, function(a, b) return a < b end)
    table.sort(t, function(a, b) return a > b end)
  end
end)
