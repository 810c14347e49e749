-- Balances that fail at the end, at each place.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local s = ("("):rep(60000)
  while true do s:match("%b()") end
end)
