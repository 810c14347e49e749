-- Tables in tables.
-- outcome: LIMIT_MEMORY
-- cpu: 1000

before("report.create", function(report)
  local t = {}
  while true do t = { t, {} } end
end)
