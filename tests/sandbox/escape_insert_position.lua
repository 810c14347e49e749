-- A position far outside.
-- outcome: SCRIPT_ERROR
-- says: out of bounds
-- line: 7

before("report.create", function(report)
  table.insert({}, 1e9, 1)
end)
