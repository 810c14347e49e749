-- table.sort on a library.
-- outcome: SCRIPT_ERROR
-- says: read-only
-- line: 7

before("report.create", function(report)
  table.sort(math)
end)
