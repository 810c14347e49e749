-- A precision of 99999.
-- outcome: SCRIPT_ERROR
-- says: width or precision over 99
-- line: 7

before("report.create", function(report)
  return string.format("%.99999f", 1)
end)
