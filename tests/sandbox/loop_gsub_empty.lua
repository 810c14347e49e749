-- gsub with a pattern that matches nothing everywhere.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local s = ("x"):rep(60000)
  while true do s:gsub("", "y") end
end)
