-- Each byte becomes a long text.
-- outcome: SCRIPT_ERROR
-- says: longer than 262144 bytes
-- line: 8

before("report.create", function(report)
  local s = ("x"):rep(60000)
  return s:gsub(".", s)
end)
