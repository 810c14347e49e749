-- More captures than there may be.
-- outcome: SCRIPT_ERROR
-- says: too many captures
-- line: 7

before("report.create", function(report)
  return ("x"):match(("()"):rep(33))
end)
