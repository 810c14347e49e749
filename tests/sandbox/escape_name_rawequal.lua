-- The name is not there: rawequal.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'rawequal'
-- line: 7

before("report.create", function(report)
  return type(rawequal)
end)
