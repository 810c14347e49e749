-- The name is not there: getmetatable.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'getmetatable'
-- line: 7

before("report.create", function(report)
  return type(getmetatable)
end)
