-- The name is not there: setfenv.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'setfenv'
-- line: 7

before("report.create", function(report)
  return type(setfenv)
end)
