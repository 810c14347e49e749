-- A list of a million.
-- outcome: LIMIT_MEMORY
-- cpu: 1000

before("report.create", function(report)
  local t = {}
  for i = 1, 1000000 do t[i] = i end
end)
