-- Grows by its arguments as well.
-- outcome: SCRIPT_ERROR|LIMIT_MEMORY|LIMIT_CPU

before("report.create", function(report)
  local function f(...)
    return f(1, 2, 3, 4, ...) + 1
  end
  f()
end)
