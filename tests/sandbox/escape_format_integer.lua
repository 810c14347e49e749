-- An integer that is none.
-- outcome: SCRIPT_ERROR
-- says: out of an integer
-- line: 7

before("report.create", function(report)
  return string.format("%d", 0 / 0)
end)
