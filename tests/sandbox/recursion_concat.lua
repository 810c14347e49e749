-- Concatenates in a recursion.
-- outcome: SCRIPT_ERROR|LIMIT_MEMORY|LIMIT_CPU

before("report.create", function(report)
  local function f(s)
    return f(s .. s) .. "x"
  end
  f("x")
end)
