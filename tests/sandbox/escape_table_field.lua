-- Another library.
-- outcome: SCRIPT_ERROR
-- says: read-only
-- line: 7

before("report.create", function(report)
  table.insert = nil
end)
