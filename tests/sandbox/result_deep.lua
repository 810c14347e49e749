-- Returns nesting of a thousand levels.
-- outcome: SCRIPT_ERROR
-- says: levels

before("report.create", function(report)
  local t = {}
  for _ = 1, 1000 do t = { t } end
  return t
end)
