-- Blames its caller.
-- outcome: SCRIPT_ERROR
-- says: wrong
-- line: 8

before("report.create", function(report)
  local function f() error("wrong", 2) end
  f()
end)
