-- Throws nothing.
-- outcome: SCRIPT_ERROR
-- says: a nil value
-- line: 7

before("report.create", function(report)
  error()
end)
