-- An endless loop of another kind.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local n = 0
  repeat n = n + 1 until n < 0
end)
