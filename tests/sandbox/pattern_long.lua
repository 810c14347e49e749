-- A pattern of two kilobytes.
-- outcome: SCRIPT_ERROR
-- says: longer than 1 KiB
-- line: 7

before("report.create", function(report)
  return ("x"):find(("a?"):rep(1000))
end)
