-- Formats what is too long.
-- outcome: SCRIPT_ERROR
-- says: longer than 262144 bytes
-- line: 8

before("report.create", function(report)
  local s = ("x"):rep(65536)
  return string.format("%s%s%s%s%s", s, s, s, s, s)
end)
