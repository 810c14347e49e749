-- Joins what is too long.
-- outcome: SCRIPT_ERROR
-- says: longer than 262144 bytes
-- line: 9

before("report.create", function(report)
  local t, s = {}, ("x"):rep(60000)
  for i = 1, 1000 do t[i] = s end
  return table.concat(t)
end)
