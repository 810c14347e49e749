-- Keys that fall on the same place of a table.
-- outcome: LIMIT_CPU
-- cpu: 100

before("report.create", function(report)
  local t = {}
  for i = 1, 20000 do t[i * 2 ^ 40] = i end
  while true do
    for i = 1, 20000 do local _ = t[i * 2 ^ 40 + 2 ^ 39] end
  end
end)
