-- Where a report stands: each step writes its history and its audit row; the event follows once
-- per call.

local db = require("core.db")
local errors = require("core.errors")
local time = require("core.time")
local audit = require("services.audit")
local scripts = require("services.scripts")
local changes = require("plugins.reports.changes")
local escalation = require("plugins.reports.escalation")
local schema = require("plugins.reports.schema")
local states = require("plugins.reports.rules.states")
local store = require("plugins.reports.store")
local view = require("plugins.reports.rules.view")
local workflow = require("plugins.reports.workflow")

local M = {}

-- Writes another status of a locked report; the event follows once per call, from the caller.
local function put(ctx, report, to, reason)
  local now = time.now()
  local from = report.status
  local resolved_at = report.resolved_at
  if to == "resolved" then
    resolved_at = now
  elseif to == "reopened" then
    resolved_at = nil
  end
  store.set_status(ctx, { id = report.id, status = to, duplicate_of = report.duplicate_of,
    resolved_at = resolved_at, updated_at = now })
  local due_at = escalation.follow(ctx, report.id, from, to)
  if due_at then
    store.set_due(ctx, report.id, due_at, now)
  end
  store.add_history(ctx, { report_id = report.id, from_status = from, to_status = to,
    reason = reason, changed_by = ctx.actor.user_id, created_at = now })
  audit.write(ctx, { action = "report.status", resource_type = "report", resource_id = report.id,
    old = { status = from },
    new = { status = to, reason = reason, duplicateOf = report.duplicate_of } })
  report.status, report.resolved_at = to, resolved_at
end

-- Moves a locked report one step on.
local function step(ctx, report, to, reason)
  workflow.of(ctx, report).machine:check(report.status, to)
  put(ctx, report, to, reason)
end

local function may_move(person)
  return person.updates
end

-- The report as it is now, for who may move it.
local function find(ctx, id)
  local report = store.get(ctx, id)
  changes.check_rights(ctx, report, may_move)
  return report
end

-- Asks the rules that guard a move, where the tenant has rules. @return the status that it was
-- asked from, or nil
local function ask_guards(ctx, id, to)
  if not scripts.active(ctx, ctx.tenant.id) then
    return nil
  end
  local report = find(ctx, id)
  local refusal = workflow.refusal(ctx, report, to)
  if refusal then
    error(refusal, 0)
  end
  return report.status
end

local function changed_meanwhile()
  errors.raise("CONFLICT", "The report has changed meanwhile: try again")
end

-- What was asked before the lock must be what is done under it.
local function check_asked(ctx, report, to, asked_from)
  if asked_from and asked_from ~= report.status
    and workflow.is_guarded(ctx, report, report.status, to) then
    changed_meanwhile()
  end
end

--- Moves a report to another status.
-- @param change {status, reason|nil}; rejecting needs a reason
function M.set_status(ctx, id, change, versions)
  change = scripts.before(ctx, "report.status", change, { id = id, schema = schema.status,
    current = function() return view.member(find(ctx, id)) end })
  if change.status == "rejected" and not change.reason then
    errors.validation({ { field = "reason", code = "required",
      message = "must say why the report is rejected" } })
  elseif change.status == "duplicate" then
    errors.validation({ { field = "status", code = "check",
      message = "must not be duplicate: POST /reports/:id/merge names the report it is one of" } })
  end
  local asked_from = ask_guards(ctx, id, change.status)
  db.transaction(ctx, function(tx)
    local report = changes.lock(tx, id, may_move, versions)
    local from = report.status
    check_asked(tx, report, change.status, asked_from)
    step(tx, report, change.status, change.reason)
    changes.announce(tx, "report.updated", store.get(tx, id), nil, { previousStatus = from })
  end)
end

-- Both reports, locked in the order of their ids: two merges never wait for each other.
local function lock_both(ctx, id, other)
  local found = {}
  for _, wanted in ipairs(id < other and { id, other } or { other, id }) do
    found[wanted] = store.get(ctx, wanted, true)
  end
  return found[id], found[other]
end

local function check_survivor(report, survivor)
  local message
  if survivor.id == report.id then
    message = "must be another report"
  elseif survivor.status == "duplicate" then
    message = "must not be a duplicate itself"
  end
  if message then
    errors.validation({ { field = "into", code = "check", message = message } })
  end
end

-- The duplicates of a report that becomes one itself are its survivor's from now on.
local function move_duplicates(ctx, from, survivor)
  for _, report in ipairs(store.lock_duplicates(ctx, from.id)) do
    store.set_status(ctx, { id = report.id, status = report.status, duplicate_of = survivor.id,
      resolved_at = report.resolved_at, updated_at = time.now() })
    audit.write(ctx, { action = "report.merge", resource_type = "report", resource_id = report.id,
      old = { duplicateOf = from.id }, new = { duplicateOf = survivor.id } })
    changes.announce(ctx, "report.updated", store.get(ctx, report.id))
  end
end

--- Makes a report a duplicate of another, which goes on in its place.
-- @param into the id of the survivor
-- @param versions those of the duplicate that the caller has read (If-Match), as a set; nil:
-- whichever
function M.merge(ctx, id, into, versions)
  into = scripts.before(ctx, "report.merge", { into = into }, { id = id, schema = schema.merge,
    current = function() return view.member(find(ctx, id)) end }).into
  local asked_from = ask_guards(ctx, id, "duplicate")
  db.transaction(ctx, function(tx)
    local report, survivor = lock_both(tx, id, into)
    changes.check_rights(tx, report, may_move)
    changes.check_rights(tx, survivor, may_move)
    changes.check_version(report, versions)
    check_survivor(report, survivor)
    check_asked(tx, report, "duplicate", asked_from)
    local from = report.status
    report.duplicate_of = survivor.id
    step(tx, report, "duplicate")
    move_duplicates(tx, report, survivor)
    changes.announce(tx, "report.updated", store.get(tx, id), nil, { previousStatus = from })
  end)
end

-- From a state of the tenant's there is one way forward, if its rules say so.
local function steps_to(ctx, report, status)
  if states.machine:has(report.status) then
    return states.steps(report.status, status)
  end
  return workflow.of(ctx, report).machine:can(report.status, status) and { status } or {}
end

local function copy_of(report)
  local copy = {}
  for column, value in pairs(report) do
    copy[column] = value
  end
  return copy
end

--- Asks the rules that guard the moves by which work would carry a report to a status. Call it
-- before the transaction that does.
-- @return what M.progress wants to know of it; nil when the tenant has no rules
function M.ask_progress(ctx, id, status)
  local report = scripts.active(ctx, ctx.tenant.id) and store.get(ctx, id)
  if not report then
    return nil
  end
  local asked, at = { from = report.status, to = status, allowed = 0 }, copy_of(report)
  for _, to in ipairs(steps_to(ctx, report, status)) do
    local refusal = workflow.refusal(ctx, at, to)
    if refusal then
      asked.held = { status = to, rule = refusal.fields.rule }
      break
    end
    asked.allowed, at.status = asked.allowed + 1, to
  end
  return asked
end

-- How many of the steps may be taken: as many as the rules agreed to.
local function allowed_of(ctx, report, steps, asked)
  if asked and asked.from == report.status then
    return math.min(asked.allowed, #steps), asked.held
  end
  local from = report.status
  for _, to in ipairs(steps) do
    if workflow.is_guarded(ctx, report, from, to) then
      changed_meanwhile()
    end
    from = to
  end
  return #steps
end

--- Carries a report forward because work on it did (a plugin's call, inside its transaction), as
-- far as the tenant's rules let it. Does nothing when the report is there or beyond.
-- @param cause one sentence for the history
-- @param asked of M.ask_progress
-- @return {status, rule} of the step that a rule does not let it take, or nil
function M.progress(ctx, id, status, cause, asked)
  local report = store.get(ctx, id, true)
  local steps = report and steps_to(ctx, report, status) or {}
  if #steps == 0 then
    return nil
  end
  local from = report.status
  local allowed, held = allowed_of(ctx, report, steps,
    asked and asked.to == status and asked or nil)
  for i = 1, allowed do
    step(ctx, report, steps[i], cause)
  end
  if allowed > 0 then
    changes.announce(ctx, "report.updated", store.get(ctx, id), nil, { previousStatus = from })
  end
  if held then
    audit.write(ctx, { action = "report.held", resource_type = "report", resource_id = id,
      old = { status = report.status }, new = { status = held.status, reason = cause,
        rule = held.rule } })
  end
  return held
end

--- Gives a report the status that the active release has for its own, and pins it to that.
-- @param move {from, to}
-- @param number of the release, or nil
function M.migrate(ctx, id, move, number)
  db.transaction(ctx, function(tx)
    local report = store.get(tx, id, true)
    if report and report.status == move.from then
      put(tx, report, move.to, "Moved to the workflow in force")
      workflow.pins.put(tx, id, number)
      changes.announce(tx, "report.updated", store.get(tx, id), nil, { previousStatus = move.from })
    end
  end)
end

--- Returns the locked report that a work order is about to be made from; 404 when there is none,
-- 409 when it takes no work any more.
function M.get_for_work_order(ctx, id)
  local report = store.get(ctx, id, true)
  if not report then
    changes.not_found()
  end
  if not states.takes_work(report.status) then
    errors.raise("CONFLICT", "A report that is " .. report.status .. " takes no work order")
  end
  return report
end

--- Locks a report until the transaction ends: what hangs on it is decided one at a time.
function M.lock(ctx, id)
  store.get(ctx, id, true)
end

return M
