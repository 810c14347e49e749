-- Changes the case of a long text again and again.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local s = ("x"):rep(65536)
  for _ = 1, 4 do s = s .. s end
  while true do s:upper() s:lower() s:reverse() end
end)
