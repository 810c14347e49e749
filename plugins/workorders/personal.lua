-- What work orders hold of a person: for their numbers and their copy of their data. Nothing of it
-- names them but their id, which stays.

local json = require("core.json")
local store = require("plugins.workorders.personal_store")

local M = {}

function M.stats(ctx, user_id)
  local numbers = store.count_of(ctx, user_id)
  return { workOrdersOpen = numbers.open, workOrdersCompleted = numbers.completed,
    remediations = numbers.remediations }
end

function M.export(ctx, user_id, add)
  local orders, remediations = json.array({}), json.array({})
  for i, row in ipairs(store.list_of(ctx, user_id)) do
    orders[i] = { id = row.id, tenantId = row.tenant_id, number = row.number, title = row.title,
      status = row.status, priority = row.priority, createdAt = row.created_at }
  end
  for i, row in ipairs(store.list_remediations_of(ctx, user_id)) do
    remediations[i] = { id = row.id, tenantId = row.tenant_id, workOrderId = row.work_order_id,
      description = row.description, timeSpent = row.time_spent,
      completionDate = row.completion_date, createdAt = row.created_at }
  end
  add.json("work-orders.json", orders)
  add.json("remediations.json", remediations)
end

return M
