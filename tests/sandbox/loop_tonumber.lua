-- The same through tonumber.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local a = ("1"):rep(65536)
  for _ = 1, 4 do a = a .. a end
  while true do tonumber(a) tonumber(a, 36) end
end)
