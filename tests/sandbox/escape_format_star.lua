-- A width from the arguments.
-- outcome: SCRIPT_ERROR
-- says: invalid option '%*'
-- line: 7

before("report.create", function(report)
  return string.format("%*d", 5, 1)
end)
