-- A length that overflows.
-- outcome: SCRIPT_ERROR
-- says: longer than 65536 bytes
-- line: 7

before("report.create", function(report)
  return ("xxxxxxxxxxxxxxxx"):rep(2 ^ 31 - 1)
end)
