-- Sorts again and again without a comparator.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local t = {}
  for i = 1, 20000 do t[i] = (i * 7919) % 20011 end
  while true do table.sort(t) t[1], t[20000] = t[20000], t[1] end
end)
