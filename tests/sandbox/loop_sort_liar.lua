-- A comparator that always says yes.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  while true do
    local t = {}
    for i = 1, 1000 do t[i] = i end
    table.sort(t, function() return true end)
  end
end)
