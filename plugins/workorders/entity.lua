-- What tenants' rules are about when they say `of = "workorder"`.

local states = require("plugins.workorders.rules.states")
local store = require("plugins.workorders.store")
local view = require("plugins.workorders.rules.view")

local M = {}

local function if_running(order)
  return order and states.clock_state(order.status) == "running" and order or nil
end

--- Returns the work order as rules see it, or nil when it has ended, or is on hold.
function M.show(ctx, id)
  local order = if_running(store.get(ctx, id))
  return order and view.order(order)
end

--- Locks the work order, under the same conditions.
function M.lock(ctx, id)
  return if_running(store.lock(ctx, id))
end

--- Returns the numbers of the releases that work orders are pinned to.
M.pinned = store.list_pinned

return M
