-- Makes functions without keeping them.
-- outcome: LIMIT_CPU

before("report.create", function(report)
  local n = 0
  while true do
    local f = function() return n end
    n = f() + 1
  end
end)
