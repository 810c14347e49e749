-- The name is not there: gcinfo.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'gcinfo'
-- line: 7

before("report.create", function(report)
  return type(gcinfo)
end)
