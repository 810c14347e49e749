-- Who is told of what happens to a work order. Each is a job that listens to the event: one event
-- tells a person once.

local db = require("core.db")
local notifications = require("services.notifications")

local M = {}

M.ASSIGNED = "workorders.tell_assigned"

local TITLE_MAX = 200 -- bytes that a notification's title may have

-- The data of a message, which a tenant's own wording can name: {{workorder.number}}.
local function about(order)
  return { workOrderId = order.id, workorder = order }
end

--- The job: tells whoever has been given the work, unless they took it themselves.
function M.tell_assigned(ctx, event)
  local order = event.data
  local to
  if order.assignedTo then
    if event.actor and event.actor.userId == order.assignedTo then
      return
    end
    to = { users = { order.assignedTo } }
  else
    to = { groups = { team = { order.teamId } } }
  end
  db.transaction(ctx, function(tx_ctx)
    notifications.notify(tx_ctx, {
      to = to,
      type = "workorder.assigned",
      title = (order.number .. ": " .. order.title):sub(1, TITLE_MAX),
      message = (order.assignedTo and "This work order is yours." or "This work order is your team's.")
        .. (order.message and " " .. order.message or ""),
      data = about(order),
      key = "event:" .. event.id,
    })
  end)
end

return M
