-- Returns a small table that is large as JSON.
-- outcome: LIMIT_OUTPUT
-- says: limit: output 64 KiB

before("report.create", function(report)
  local t = { "x" }
  for _ = 1, 25 do t = { t, t } end
  return t
end)
