-- Many flags.
-- outcome: SCRIPT_ERROR
-- says: repeated flags
-- line: 7

before("report.create", function(report)
  return string.format("%-----------------d", 1)
end)
