-- Reads long strings as numbers.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local a = ("1"):rep(65536)
  for _ = 1, 4 do a = a .. a end
  local n = 0
  while true do n = a + 0 end
end)
