-- The same in a sort.
-- outcome: SCRIPT_ERROR
-- says: attempt to compare
-- line: 7

before("report.create", function(report)
  table.sort({ 1, "x", {} })
end)
