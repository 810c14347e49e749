-- Returns a list with holes.
-- outcome: SCRIPT_ERROR
-- says: an array

before("report.create", function(report)
  local t = { 1, 2, 3, 4 }
  t[2] = nil
  return t
end)
