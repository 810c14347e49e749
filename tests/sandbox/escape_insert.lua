-- table.insert past __newindex.
-- outcome: SCRIPT_ERROR
-- says: read-only
-- line: 7

before("report.create", function(report)
  table.insert(string, "x")
end)
