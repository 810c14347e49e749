-- gsub calls a function for each of many bytes.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local s = ("x"):rep(60000)
  while true do s:gsub(".", function(c) return c end) end
end)
