-- Frontiers everywhere.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local s = ("a "):rep(30000)
  while true do s:find("%f[%w]%w+%f[%z]x") end
end)
