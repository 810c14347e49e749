-- The name is not there: dofile.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'dofile'
-- line: 7

before("report.create", function(report)
  return type(dofile)
end)
