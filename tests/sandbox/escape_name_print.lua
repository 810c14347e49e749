-- The name is not there: print.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'print'
-- line: 7

before("report.create", function(report)
  return type(print)
end)
