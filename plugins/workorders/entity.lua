-- What tenants' rules are about when they say `of = "workorder"`.

local states = require("plugins.workorders.rules.states")
local store = require("plugins.workorders.store")
local view = require("plugins.workorders.rules.view")
local workflow = require("plugins.workorders.workflow")

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

--- Returns what services.scripts wants of it.
-- @param migrate function(ctx, id, {from, to}, number): moves one to another status and release
function M.with(migrate)
  return { show = M.show, lock = M.lock, machine = states.machine, pins = workflow.pins,
    migrate = migrate }
end

return M
