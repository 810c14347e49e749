-- One that throws a table.
-- outcome: SCRIPT_ERROR
-- says: a table value
-- line: 7

before("report.create", function(report)
  assert(nil, {})
end)
