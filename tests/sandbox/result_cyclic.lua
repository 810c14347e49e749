-- Returns a table that holds itself.
-- outcome: SCRIPT_ERROR
-- says: a cycle

before("report.create", function(report)
  local t = {}
  t.t = t
  return t
end)
