-- Passes many values on and on.
-- outcome: SCRIPT_ERROR|LIMIT_MEMORY|LIMIT_CPU

before("report.create", function(report)
  local t = {}
  for i = 1, 4000 do t[i] = i end
  local function f(...)
    local n = select("#", ...)
    return n > 0 and f(...) or n
  end
  f(unpack(t))
end)
