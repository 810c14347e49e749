-- The name is not there: package.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'package'
-- line: 7

before("report.create", function(report)
  return type(package)
end)
