-- The name is not there: rawset.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'rawset'
-- line: 7

before("report.create", function(report)
  return type(rawset)
end)
