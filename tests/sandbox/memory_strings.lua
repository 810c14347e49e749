-- Many different strings.
-- outcome: LIMIT_MEMORY
-- cpu: 1000

before("report.create", function(report)
  local t = {}
  for i = 1, 1e9 do t[i] = ("x"):rep(100) .. i end
end)
