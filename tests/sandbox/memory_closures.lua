-- Many closures, all kept.
-- outcome: LIMIT_MEMORY
-- cpu: 1000

before("report.create", function(report)
  local t = {}
  for i = 1, 1e9 do t[i] = function() return i, t end end
end)
