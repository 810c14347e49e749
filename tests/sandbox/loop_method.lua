-- A method of a string for ever.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  while true do ("x"):len() end
end)
