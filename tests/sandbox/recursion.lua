-- Calls itself without end.
-- outcome: SCRIPT_ERROR
-- says: stack overflow
-- line: 8

before("report.create", function(report)
  local function f(n)
    return 1 + f(n + 1)
  end
  return f(1)
end)
