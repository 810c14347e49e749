-- The states of a work order: the product's, and those that the tenant's rules add.

local scripts = require("services.scripts")
local states = require("plugins.workorders.rules.states")
local view = require("plugins.workorders.rules.view")

local M = {}

--- The releases that work orders are pinned to (services.scripts).
M.pins = scripts.pins("work_orders")

local OF = "workorder"

--- Returns the workflow of a work order (services.scripts): its `machine` says what may follow.
function M.of(ctx, order)
  return scripts.workflow(ctx, OF, states.machine, order.workflow_release)
end

--- Returns the release that a new work order is pinned to, or nil.
function M.opening(ctx, id)
  return scripts.opening(ctx, OF, id)
end

--- Whether the tenant has rules at all.
function M.has_rules(ctx)
  return scripts.active(ctx, ctx.tenant.id) ~= nil
end

--- Asks the guards of a move. Call it before the transaction, with the work order as it is then.
function M.ask(ctx, order, to)
  local workflow = M.of(ctx, order)
  if scripts.is_guarded(workflow, order.status, to) then
    scripts.ask_guards(ctx, workflow, order.status, to,
      { id = order.id, name = "work order", data = view.order(order) })
  end
end

--- Tells whether a move of a locked work order has a guard.
function M.is_guarded(ctx, order, to)
  return scripts.is_guarded(M.of(ctx, order), order.status, to)
end

--- Returns the states that the tenant's rules add.
function M.added(ctx)
  return M.has_rules(ctx) and scripts.states(ctx, OF, states.machine, M.pins.list(ctx)) or {}
end

--- Tells whether a status is one of a work order's, here or in the tenant's rules.
function M.knows(ctx, status)
  if states.machine:has(status) then
    return true
  end
  for _, state in ipairs(M.added(ctx)) do
    if state == status then
      return true
    end
  end
  return false
end

return M
