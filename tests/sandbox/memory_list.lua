-- A list that grows for ever.
-- outcome: LIMIT_MEMORY
-- says: limit: memory 16 MiB at rules/memory_list.lua:
-- cpu: 1000

before("report.create", function(report)
  local t = {}
  while true do t[#t + 1] = 1 end
end)
