-- Many keys.
-- outcome: LIMIT_MEMORY
-- cpu: 1000

before("report.create", function(report)
  local t = {}
  for i = 1, 1e9 do t["key" .. i] = i end
end)
