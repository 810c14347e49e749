-- A replacement that is no text.
-- outcome: SCRIPT_ERROR
-- says: invalid replacement value (a table)
-- line: 7

before("report.create", function(report)
  return (("x"):gsub("x", function() return {} end))
end)
