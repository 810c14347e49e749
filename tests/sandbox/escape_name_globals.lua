-- The name is not there: _G.
-- outcome: SCRIPT_ERROR
-- says: unknown name '_G'
-- line: 7

before("report.create", function(report)
  return type(_G)
end)
