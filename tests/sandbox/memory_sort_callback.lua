-- Uses it up in a comparator.
-- outcome: LIMIT_MEMORY
-- cpu: 1000

before("report.create", function(report)
  local t = {}
  table.sort({ 3, 2, 1 }, function()
    while true do t[#t + 1] = {} end
  end)
end)
