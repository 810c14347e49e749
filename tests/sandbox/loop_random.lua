-- Draws lots for ever.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  while math.random() < 2 do end
end)
