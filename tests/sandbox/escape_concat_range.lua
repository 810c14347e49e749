-- Joins a range without end.
-- outcome: SCRIPT_ERROR
-- says: invalid value
-- line: 7

before("report.create", function(report)
  return table.concat({}, "x", 1, 2 ^ 31 - 1)
end)
