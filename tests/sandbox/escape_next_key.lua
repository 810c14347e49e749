-- A key that is not in the table.
-- outcome: SCRIPT_ERROR
-- says: invalid key
-- line: 7

before("report.create", function(report)
  next({}, "x")
end)
