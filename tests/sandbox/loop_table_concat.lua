-- Joins a long list again and again.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local t = {}
  for i = 1, 10000 do t[i] = "some text" end
  while true do table.concat(t, ", ") end
end)
