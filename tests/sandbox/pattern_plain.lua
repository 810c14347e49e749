-- A plain search of a long text, for ever.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local s = ("a"):rep(60000)
  while true do s:find(("a"):rep(1000) .. "b", 1, true) end
end)
