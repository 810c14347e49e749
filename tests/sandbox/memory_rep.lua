-- A string of a gigabyte.
-- outcome: SCRIPT_ERROR
-- says: longer than 65536 bytes
-- line: 7

before("report.create", function(report)
  return ("x"):rep(1e9)
end)
