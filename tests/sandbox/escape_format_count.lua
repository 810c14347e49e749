-- Writes to memory in C.
-- outcome: SCRIPT_ERROR
-- says: invalid option '%n'
-- line: 7

before("report.create", function(report)
  return string.format("%n", 1)
end)
