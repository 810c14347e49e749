-- Throws something with a locked metatable.
-- outcome: SCRIPT_ERROR
-- says: a table value
-- line: 7

before("report.create", function(report)
  error(string)
end)
