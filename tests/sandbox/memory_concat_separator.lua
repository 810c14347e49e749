-- A separator that makes it too long.
-- outcome: SCRIPT_ERROR
-- says: longer than 262144 bytes
-- line: 9

before("report.create", function(report)
  local t = {}
  for i = 1, 10000 do t[i] = "" end
  return table.concat(t, ("x"):rep(60000))
end)
