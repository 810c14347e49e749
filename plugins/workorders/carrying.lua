-- Work carries its report forward, as far as the report's rules let it: what is done is done, also
-- where a rule holds the report back. That is noted in the work order's history.

local reports = require("plugins.reports")
local states = require("plugins.workorders.rules.states")
local store = require("plugins.workorders.store")

local M = {}

-- To what status a work order carries its report when it is of this one, or nil.
local function goal_of(ctx, order, status)
  if not order.report_id then
    return nil
  elseif status == "accepted" or status == "in_progress" then
    return "in_progress"
  elseif status == "completed" or status == "cancelled" then
    local statuses = store.statuses_of_report(ctx, order.report_id, order.id)
    statuses[#statuses + 1] = status
    return states.is_all_done(statuses) and "resolved" or nil
  end
end

--- Notes that a rule holds the report of a stored work order where it is.
-- @param held {status, rule}, or nil
-- @return the same
function M.note(ctx, order, held)
  if held then
    store.add_history(ctx, { work_order_id = order.id, action = "report_held",
      from_status = order.status, to_status = order.status, details = held,
      changed_by = ctx.actor.user_id })
  end
  return held
end

--- Asks the rules that guard the way of the report, when the work order goes to a status. Call it
-- before the transaction.
-- @return what M.carry wants to know of it, or nil
function M.ask(ctx, order, status)
  local goal = goal_of(ctx, order, status)
  return goal and reports.ask_progress(ctx, order.report_id, goal) or nil
end

--- The same before a work order is made from a report, or from none.
function M.ask_new(ctx, report_id)
  return report_id and reports.ask_progress(ctx, report_id, "acknowledged") or nil
end

--- Carries the report of a work order forward that has taken a step, in its transaction. The
-- report's lock makes completing two work orders of one report wait for each other, so that the
-- last one sees that it is the last.
-- @return {status, rule} of the step of the report that a rule does not let it take, or nil
function M.carry(ctx, order, asked)
  if order.report_id and (order.status == "completed" or order.status == "cancelled") then
    reports.lock(ctx, order.report_id)
  end
  local goal = goal_of(ctx, order, order.status)
  return goal and M.note(ctx, order, reports.progress(ctx, order.report_id, goal,
    "Work order " .. order.number, asked)) or nil
end

--- The same of one that was deleted in this transaction: to its report it is as cancelled. Asked
-- for is that, too.
function M.carry_without(ctx, order, asked)
  return M.carry(ctx, { id = order.id, report_id = order.report_id, number = order.number,
    status = "cancelled" }, asked)
end

--- The same before a work order is made from a report, or from none; M.note is the caller's, when
-- it is stored.
function M.carry_new(ctx, report_id, asked)
  return report_id and reports.progress(ctx, report_id, "acknowledged", "Work order created", asked)
    or nil
end

return M
