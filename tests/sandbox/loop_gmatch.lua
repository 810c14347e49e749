-- gmatch over a long text again and again.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local s = ("x "):rep(30000)
  while true do for _ in s:gmatch("%a+") do end end
end)
