-- Takes long texts apart and puts them together.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local s = ("x"):rep(3000)
  while true do string.char(s:byte(1, -1)) end
end)
