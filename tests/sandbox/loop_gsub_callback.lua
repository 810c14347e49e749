-- An endless loop in the function that gsub calls.
-- outcome: LIMIT_CPU
-- line: 7

before("report.create", function(report)
  ("abc"):gsub(".", function()
    while true do end
  end)
end)
