-- The name is not there: os.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'os'
-- line: 7

before("report.create", function(report)
  return type(os)
end)
