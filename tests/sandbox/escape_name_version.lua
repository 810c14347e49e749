-- The name is not there: _VERSION.
-- outcome: SCRIPT_ERROR
-- says: unknown name '_VERSION'
-- line: 7

before("report.create", function(report)
  return type(_VERSION)
end)
