-- Returns a list that is also an object.
-- outcome: SCRIPT_ERROR
-- says: an array

before("report.create", function(report)
  return { 1, 2, x = 3 }
end)
