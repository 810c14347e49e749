-- The name is not there: getfenv.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'getfenv'
-- line: 7

before("report.create", function(report)
  return type(getfenv)
end)
