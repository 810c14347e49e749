-- A position that is no number.
-- outcome: SCRIPT_ERROR
-- says: out of range
-- line: 7

before("report.create", function(report)
  return table.concat({}, "x", 0 / 0)
end)
