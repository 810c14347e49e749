-- The same through a string.
-- outcome: SCRIPT_ERROR
-- says: attempt to call method 'dump'
-- line: 7

before("report.create", function(report)
  return ("x"):dump()
end)
