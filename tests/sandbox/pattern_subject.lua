-- A subject of more than 64 KiB.
-- outcome: SCRIPT_ERROR
-- says: longer than 64 KiB
-- line: 8

before("report.create", function(report)
  local s = ("x"):rep(65536) .. "x"
  return s:match("y")
end)
