-- The name is not there: loadfile.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'loadfile'
-- line: 7

before("report.create", function(report)
  return type(loadfile)
end)
