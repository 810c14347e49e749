-- A capability is asked with too much.
-- outcome: LIMIT_OUTPUT
-- says: limit: output 64 KiB at
-- line: 9

before("report.create", function(report)
  local t, s = {}, ("x"):rep(60000)
  for i = 1, 10 do t[i] = s end
  capability("x", t)
end)
