-- Doubles a string.
-- outcome: LIMIT_MEMORY
-- cpu: 1000
-- line: 8

before("report.create", function(report)
  local s = "x"
  while true do s = s .. s end
end)
