-- The name is not there: setmetatable.
-- outcome: SCRIPT_ERROR
-- says: unknown name 'setmetatable'
-- line: 7

before("report.create", function(report)
  return type(setmetatable)
end)
