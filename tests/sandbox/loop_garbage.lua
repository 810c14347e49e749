-- Makes tables without keeping them.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local t
  while true do t = { t and 1, 2, 3, {} } end
end)
