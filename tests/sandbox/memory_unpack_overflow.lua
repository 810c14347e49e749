-- A count that overflows.
-- outcome: SCRIPT_ERROR
-- says: values to unpack
-- line: 7

before("report.create", function(report)
  return unpack({}, -2 ^ 31, 2 ^ 31 - 1)
end)
