-- The clock of a report: it runs in business hours while the report is open, and tells those who
-- are to know as the date comes nearer on which it is to be resolved.

local json = require("core.json")
local time = require("core.time")
local audit = require("services.audit")
local clocks = require("services.clocks")
local notifications = require("services.notifications")
local categories = require("plugins.reports.categories")
local changes = require("plugins.reports.changes")
local entity = require("plugins.reports.entity")
local states = require("plugins.reports.rules.states")
local store = require("plugins.reports.store")
local view = require("plugins.reports.rules.view")

local M = {}

local KIND, RESOURCE = "report.sla", "report"
local ESCALATE = "report.escalate"
local BREACH_PERCENT = 100
local POLICY = {
  { percent = 50, notify = { "dispatcher" } },
  { percent = 100, notify = { "dispatcher", "admin" } },
  { percent = 150, notify = { "admin", "owner" } },
}

local function steps_of(ctx, clock)
  local own = ctx.tenant.settings and ctx.tenant.settings.escalation
  return clocks.percent_steps(own and own.reports or POLICY, clock)
end

--- Returns when a new report is due, or nil, and the business time that it may take (ms, or nil).
function M.due(ctx, category, severity, now_ms)
  local target_ms = categories.target_ms(ctx, category, severity)
  local due_ms = target_ms and clocks.due(ctx, target_ms, now_ms)
  return due_ms and time.iso(due_ms) or nil, target_ms
end

--- Begins the clock of a report, in the transaction that makes it.
function M.begin(ctx, id, target_ms, since_ms)
  if target_ms then
    clocks.begin(ctx, { kind = KIND, resource_type = RESOURCE, resource_id = id,
      target_ms = target_ms, since_ms = since_ms })
  end
end

--- Gives a locked report another time to be resolved in: its category or severity is another.
-- @param report its row as it was
-- @return when it is due now, or nil
function M.retarget(ctx, report, category, severity)
  local created_ms = time.parse(report.created_at)
  local due, target_ms = M.due(ctx, category, severity, created_ms)
  local moved_ms, found = clocks.retarget(ctx, RESOURCE, report.id, KIND, target_ms)
  if not found and states.is_open(report.status) then
    M.begin(ctx, report.id, target_ms, created_ms)
  end
  return moved_ms and time.iso(moved_ms) or due
end

--- Lets the clock run or stop with the status of a locked report.
-- @return when the report is due, where that has moved; else nil
function M.follow(ctx, id, from, to)
  if states.is_open(from) == states.is_open(to) then
    return nil
  end
  local due_ms = clocks.follow(ctx, RESOURCE, id, states.is_open(to) and "running" or "stopped")
  return due_ms and time.iso(due_ms)
end

--- Stops the clock of a report that is deleted.
function M.stop(ctx, id)
  clocks.follow(ctx, RESOURCE, id, "stopped")
end

local function tell(ctx, report, percent, roles)
  notifications.notify(ctx, { to = { roles = roles }, type = "report.escalated",
    title = percent >= BREACH_PERCENT and "A report is overdue" or "A report is due soon",
    message = ("%s: %d %% of the time to resolve it is over."):format(report.title, percent),
    data = { reportId = report.id, report = view.full(report), percent = percent } })
end

local function take(ctx, report, clock, step)
  local percent = step.mark
  local escalation = { percent = percent, breached = percent >= BREACH_PERCENT,
    targetSeconds = clock.target_ms / 1000, dueAt = report.sla_due_at }
  audit.write(ctx, { action = ESCALATE, resource_type = RESOURCE, resource_id = report.id,
    new = escalation })
  changes.announce(ctx, "report.escalated", report, nil, { escalation = escalation })
  tell(ctx, report, percent, step.at.notify)
end

local function moved(ctx, report, _, due_ms)
  local due = due_ms and time.iso(due_ms)
  if due == report.sla_due_at then
    return
  end
  store.set_due(ctx, report.id, due, time.now())
  local after = store.get(ctx, report.id)
  audit.write(ctx, { action = "report.update", resource_type = RESOURCE, resource_id = report.id,
    old = view.member(report), new = view.member(after) })
  changes.announce(ctx, "report.updated", after)
end

--- What an escalation was, for the API: {[report id] = {percent, breached, dueAt, createdAt} each
-- step that was taken, oldest first}.
function M.list(ctx, ids)
  local found = {}
  for _, id in ipairs(ids) do
    found[id] = json.array({})
  end
  for _, step in ipairs(#ids > 0 and audit.list_done(ctx, RESOURCE, ids, ESCALATE) or {}) do
    local new = step.new
    table.insert(found[step.id], { percent = new.percent, breached = new.breached,
      dueAt = new.dueAt, createdAt = step.created_at })
  end
  return found
end

--- SQL that is true when there is something to list for the report of that SQL expression.
function M.exists(report_id)
  return clocks.select_taken(RESOURCE, report_id)
end

--- What services.clocks wants of it.
M.kinds = { [KIND] = { steps = steps_of, lock = entity.lock, take = take, moved = moved } }

return M
