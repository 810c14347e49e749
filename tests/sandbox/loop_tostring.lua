-- Writes numbers as text.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local n = 0.1
  while true do n = n + 1 local _ = tostring(n) end
end)
