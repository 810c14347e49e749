-- A number that is a table.
-- outcome: SCRIPT_ERROR
-- says: number expected, got table
-- line: 7

before("report.create", function(report)
  return string.format("%d", {})
end)
