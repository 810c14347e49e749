-- The name is not there: loadstring.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'loadstring'
-- line: 7

before("report.create", function(report)
  return type(loadstring)
end)
