-- Bytecode of a function.
-- outcome: SCRIPT_ERROR
-- says: attempt to call field 'dump'
-- line: 7

before("report.create", function(report)
  return string.dump(function() end)
end)
