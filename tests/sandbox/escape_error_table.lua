-- Throws a table; nobody calls what is in it.
-- outcome: SCRIPT_ERROR
-- says: a table value
-- line: 7

before("report.create", function(report)
  error({ message = "x" })
end)
