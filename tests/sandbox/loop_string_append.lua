-- Copies a long string with each instruction.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local a = ("x"):rep(65536)
  for _ = 1, 4 do a = a .. a end
  local n = 0
  while true do
    local b = a .. n
    n = n + #b % 2 + 1
  end
end)
