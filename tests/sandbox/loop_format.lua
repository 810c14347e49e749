-- Formats again and again, at full width.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  while true do string.format("%99.99f%99.99f%99s", 1e308, -1e308, "x") end
end)
