-- gsub that looks into a table.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local s, t = ("x"):rep(60000), { x = "y" }
  while true do s:gsub(".", t) end
end)
