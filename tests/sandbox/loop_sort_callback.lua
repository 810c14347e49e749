-- An endless loop in a comparator, where nothing can yield.
-- outcome: LIMIT_CPU
-- line: 7

before("report.create", function(report)
  table.sort({ 3, 2, 1 }, function()
    while true do end
  end)
end)
