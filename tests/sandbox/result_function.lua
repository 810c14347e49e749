-- Returns a function.
-- outcome: SCRIPT_ERROR
-- says: a function is no value

before("report.create", function(report)
  return { f = function() end }
end)
