-- The life of a work order as a table.

local state_machine = require("core.state_machine")

local M = {}

M.STATUSES = {
  "pending", "assigned", "accepted", "scheduled", "in_progress", "on_hold", "completed",
  "verified", "cancelled",
}

local HOLDABLE = { "accepted", "scheduled", "in_progress" }

local TRANSITIONS = {
  { from = { "pending", "assigned", "accepted", "scheduled" }, to = "assigned",
    action = "assign" },
  { from = { "assigned" }, to = "accepted", action = "accept" },
  -- A rejection is kept in the history; the work order waits for another assignee.
  { from = { "assigned" }, to = "pending", action = "reject" },
  { from = { "accepted" }, to = "scheduled", action = "schedule" },
  { from = { "accepted", "scheduled" }, to = "in_progress", action = "start" },
  { from = HOLDABLE, to = "on_hold", action = "hold" },
  -- Resuming leads back to where the work was held.
  { from = { "on_hold" }, to = "accepted", action = "resume" },
  { from = { "on_hold" }, to = "scheduled", action = "resume" },
  { from = { "on_hold" }, to = "in_progress", action = "resume" },
  { from = { "in_progress" }, to = "completed", action = "complete" },
  { from = { "completed" }, to = "verified", action = "verify" },
  { from = { "pending", "assigned", "accepted", "scheduled", "in_progress", "on_hold" },
    to = "cancelled", action = "cancel" },
}

M.machine = state_machine.new({
  name = "work order", initial = "pending", states = M.STATUSES, transitions = TRANSITIONS,
})

local function has(list, value)
  for _, item in ipairs(list) do
    if item == value then
      return true
    end
  end
  return false
end

local HELD = "on_hold"
local RESUMED = { accepted = true, scheduled = true, in_progress = true }

-- What was held goes on where it was.
local function leads_back(order, to)
  return order.status ~= HELD or to == order.held_from or not RESUMED[to]
end

--- Returns the status that an action leads to from this work order's, or nil when the action is
-- not to be had there.
-- @param machine of the work order; nil: without what the tenant's rules add
function M.target(action, order, machine)
  for _, transition in ipairs(TRANSITIONS) do
    if transition.action == action and has(transition.from, order.status)
        and (action ~= "resume" or transition.to == order.held_from) then
      return transition.to
    end
  end
  if machine and action == "resume" and order.status == HELD and machine:has(order.held_from) then
    return order.held_from
  end
  return machine and M.added_target(action, order, machine)
end

-- A move that the tenant's rules add does what the action does that leads there.
function M.added_target(action, order, machine)
  for _, transition in ipairs(TRANSITIONS) do
    if transition.action == action and action ~= "resume"
        and not M.machine:can(order.status, transition.to)
        and machine:can(order.status, transition.to) then
      return transition.to
    end
  end
end

--- Tells whether a work order may go to a status.
function M.can(order, to, machine)
  if order.status == HELD and to == order.held_from then
    return true
  end
  return machine:can(order.status, to) and leads_back(order, to)
end

--- Returns the statuses that may follow.
function M.allowed(order, machine)
  local allowed = {}
  for _, to in ipairs(machine.states) do
    if M.can(order, to, machine) then
      allowed[#allowed + 1] = to
    end
  end
  return allowed
end

--- Returns the action that leads to a status which may follow, or nil when only the tenant's rules
-- know the move.
function M.action_to(order, to, machine)
  if order.status == HELD and to == order.held_from then
    return "resume"
  end
  local action = M.machine:action(order.status, to)
  for _, transition in ipairs(not action and TRANSITIONS or {}) do
    if M.added_target(transition.action, order, machine) == to then
      return transition.action
    end
  end
  return action
end

-- While it is on hold nobody is late; what has ended waits for nobody.
local CLOCKS = { on_hold = "paused", completed = "stopped", verified = "stopped",
  cancelled = "stopped" }

--- Returns what the clock of a work order of that status does: "running", "paused" or "stopped".
function M.clock_state(status)
  return CLOCKS[status] or "running"
end

local URGENT = { low = "normal", normal = "high", high = "urgent", urgent = "urgent" }

--- Returns the next higher priority.
function M.raised(priority)
  return URGENT[priority]
end

local FINISHED = { completed = true, verified = true }

--- Tells whether all work on a report is done, by the statuses of its living work orders:
-- cancelled ones do not count, and at least one was completed.
function M.is_all_done(statuses)
  local finished = 0
  for _, status in ipairs(statuses) do
    if FINISHED[status] then
      finished = finished + 1
    elseif status ~= "cancelled" then
      return false
    end
  end
  return finished > 0
end

local PRIORITIES = { low = "low", medium = "normal", high = "high", critical = "urgent" }

--- Returns the priority that a report's severity means.
function M.priority_of(severity)
  return PRIORITIES[severity] or "normal"
end

return M
