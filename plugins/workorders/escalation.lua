-- The clock of a work order made from a report: it has until the report is due, counts in business
-- hours while it is not on hold, and on the way tells people, raises the priority, or gives the
-- work to another team, as the tenant's policy says.

local json = require("core.json")
local time = require("core.time")
local clocks = require("services.clocks")
local identity = require("services.identity")
local notifications = require("services.notifications")
local entity = require("plugins.workorders.entity")
local states = require("plugins.workorders.rules.states")
local store = require("plugins.workorders.store")
local view = require("plugins.workorders.rules.view")

local M = {}

local KIND, RESOURCE = "workorder.sla", "workorder"
local BREACH_PERCENT = 100
local ASSIGNEE, TEAM = "assignee", "team"
local POLICY = {
  { percent = 50, notify = { ASSIGNEE, TEAM } },
  { percent = 100, notify = { ASSIGNEE, "dispatcher" }, raisePriority = true },
  { percent = 150, notify = { "dispatcher", "admin" } },
}

local function steps_of(ctx, clock)
  local own = ctx.tenant.settings and ctx.tenant.settings.escalation
  return clocks.percent_steps(own and own.workorders or POLICY, clock)
end

--- Begins the clock of a new work order, if it is due some time.
function M.begin(ctx, order)
  local due_ms = order.sla_due_at and time.parse(order.sla_due_at)
  local since_ms = time.parse(order.created_at)
  local target_ms = due_ms and clocks.calendar(ctx):elapsed(since_ms, due_ms) or 0
  if target_ms > 0 then
    clocks.begin(ctx, { kind = KIND, resource_type = RESOURCE, resource_id = order.id,
      target_ms = target_ms, since_ms = since_ms })
  end
end

--- Lets the clock of a locked work order do what its status, or its deletion, means; when it is due
-- at another time because of that, the row says so.
function M.follow(ctx, order, from)
  local state = order.deleted_at and "stopped" or states.clock_state(order.status)
  if order.deleted_at or state ~= states.clock_state(from) then
    local due_ms = clocks.follow(ctx, RESOURCE, order.id, state)
    order.sla_due_at = due_ms and time.iso(due_ms) or order.sla_due_at
  end
end

--- What an escalation was, for the API: {[work order id] = {percent, breached, createdAt} each step
-- that was taken, oldest first}.
function M.list(ctx, ids)
  local found = {}
  for _, id in ipairs(ids) do
    found[id] = json.array({})
  end
  for _, row in ipairs(store.list_escalations(ctx, ids)) do
    local percent = row.details.percent
    table.insert(found[row.work_order_id], { percent = percent,
      breached = percent >= BREACH_PERCENT, createdAt = row.created_at })
  end
  return found
end

-- Those who are to be told, as notifications want them. Who has the work may have left.
local function people(ctx, order, names)
  local to = { users = {}, roles = {}, groups = {} }
  for _, name in ipairs(names or {}) do
    if name == TEAM then
      to.groups.team = order.team_id and { order.team_id }
    elseif name ~= ASSIGNEE then
      to.roles[#to.roles + 1] = name
    elseif order.assigned_to and identity.find_user(ctx, order.assigned_to) then
      to.users[1] = order.assigned_to
    end
  end
  return to
end

local function tell(ctx, order, percent, names)
  notifications.notify(ctx, { to = people(ctx, order, names), type = "workorder.escalated",
    title = order.number .. (percent >= BREACH_PERCENT and " is overdue" or " is due soon"),
    message = ("%s: %d %% of the time for it is over."):format(order.title, percent),
    data = { workOrderId = order.id, workorder = view.order(order), percent = percent } })
end

--- Returns what services.clocks wants of it.
-- @param change function(ctx, order, {percent, raise, team_id}): changes a locked work order,
--   with all that goes with it, and returns it as it is then
function M.kinds(change)
  local function take(ctx, order, _, step)
    local at = step.at
    local after = change(ctx, order, { percent = step.mark, raise = at.raisePriority,
      team_id = at.teamId })
    tell(ctx, after, step.mark, at.notify)
  end
  local function moved(ctx, order, _, due_ms)
    local due = due_ms and time.iso(due_ms)
    if due ~= order.sla_due_at then
      change(ctx, order, { due_at = due })
    end
  end
  return { [KIND] = { steps = steps_of, lock = entity.lock, take = take, moved = moved } }
end

return M
