-- An address by format.
-- outcome: SCRIPT_ERROR
-- says: invalid option '%p'
-- line: 7

before("report.create", function(report)
  return string.format("%p", {})
end)
