-- A replacement that names a capture that is not there.
-- outcome: SCRIPT_ERROR
-- says: invalid capture index
-- line: 7

before("report.create", function(report)
  return (("x"):gsub("(x)", "%2"))
end)
