-- Calls itself in a tail call, which keeps its frame here.
-- outcome: SCRIPT_ERROR
-- says: stack overflow
-- line: 7

before("report.create", function(report)
  local function f() return f() end
  f()
end)
