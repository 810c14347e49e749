-- The same through a string.
-- outcome: SCRIPT_ERROR
-- says: attempt to index
-- line: 8

before("report.create", function(report)
  local s = "x"
  s.rep = 1
end)
