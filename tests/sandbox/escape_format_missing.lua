-- An argument that is not there.
-- outcome: SCRIPT_ERROR
-- says: bad argument #2
-- line: 7

before("report.create", function(report)
  return string.format("%s")
end)
