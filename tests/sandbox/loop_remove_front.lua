-- Removes from the front of a long list.
-- outcome: LIMIT_CPU
-- cpu: 50

before("report.create", function(report)
  local t = {}
  for i = 1, 100000 do t[i] = i end
  while #t > 0 do table.remove(t, 1) end
end)
