-- A capability is asked with a cycle.
-- outcome: SCRIPT_ERROR
-- says: a cycle
-- line: 9

before("report.create", function(report)
  local t = {}
  t.t = t
  capability("x", t)
end)
