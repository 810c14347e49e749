-- The name is not there: rawget.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'rawget'
-- line: 7

before("report.create", function(report)
  return type(rawget)
end)
