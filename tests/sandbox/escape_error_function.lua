-- Throws a function.
-- outcome: SCRIPT_ERROR
-- says: a function value
-- line: 7

before("report.create", function(report)
  error(function() end)
end)
