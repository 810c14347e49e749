-- Who is told of what happens to a work order. Each is a job that listens to the event: one event
-- tells a person once.

local db = require("core.db")
local notifications = require("services.notifications")

local M = {}

M.ASSIGNED = "workorders.tell_assigned"

-- The data of a message, which a tenant's own wording can name: {{workorder.number}}.
local function about(order)
  return { workOrderId = order.id, workorder = order }
end

--- The job: tells whoever has been given the work, unless they took it themselves.
function M.tell_assigned(ctx, event)
  local order, actor = event.data, event.actor
  local to
  if actor.silent or order.assignedTo and actor.userId == order.assignedTo then
    return
  elseif order.assignedTo then
    to = { users = { order.assignedTo }, present = true }
  else
    to = { groups = { team = { order.teamId } } }
  end
  db.transaction(ctx, function(tx_ctx)
    notifications.notify(tx_ctx, {
      to = to,
      type = "workorder.assigned",
      title = order.number .. (order.assignedTo and " is yours" or " is your team's"),
      message = order.title .. (order.message and ": " .. order.message or ""),
      data = about(order),
      key = "event:" .. event.id,
    })
  end)
end

return M
