-- Compares long strings that differ at the end.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local a = ("x"):rep(65536)
  for _ = 1, 4 do a = a .. a end
  local b = a .. "y"
  a = a .. "z"
  local n = 0
  while true do if a < b then n = n + 1 end end
end)
