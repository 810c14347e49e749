-- Returns a long text.
-- outcome: LIMIT_OUTPUT
-- says: limit: output 64 KiB

before("report.create", function(report)
  local s = ("x"):rep(60000)
  return s .. s
end)
