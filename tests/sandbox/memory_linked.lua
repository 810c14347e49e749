-- Small blocks until a few bytes are left, with which not even a collection could be begun.
-- outcome: LIMIT_MEMORY
-- says: limit: memory 16 MiB at rules/memory_linked.lua:
-- cpu: 1000

before("report.create", function(report)
  local list
  while true do list = { next = list } end
end)
