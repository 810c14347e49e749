-- Returns more than 64 KiB.
-- outcome: LIMIT_OUTPUT
-- says: limit: output 64 KiB
-- cpu: 100

before("report.create", function(report)
  local t = {}
  for i = 1, 40000 do t[i] = i end
  return t
end)
