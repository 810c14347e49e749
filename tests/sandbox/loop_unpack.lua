-- Unpacks long lists.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local t = {}
  for i = 1, 4000 do t[i] = i end
  while true do select("#", unpack(t)) end
end)
