-- Repeats again and again.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  while true do ("x"):rep(65536) end
end)
