-- Work orders: what may be done with them, and what each step entails. A step locks the row,
-- asks the state machine, and writes the row, its history, the report's progress, the audit row
-- and the event in one transaction. Locks are always taken in the order work order, report,
-- number counter.

local db = require("core.db")
local difference = require("core.difference")
local errors = require("core.errors")
local etag = require("core.etag")
local json = require("core.json")
local time = require("core.time")
local uuid = require("core.uuid")
local audit = require("services.audit")
local events = require("services.events")
local files = require("services.files")
local identity = require("services.identity")
local scripts = require("services.scripts")
local reports = require("plugins.reports")
local access = require("plugins.workorders.rules.access")
local assignment = require("plugins.workorders.rules.assignment")
local carrying = require("plugins.workorders.carrying")
local escalation = require("plugins.workorders.escalation")
local schema = require("plugins.workorders.schema")
local states = require("plugins.workorders.rules.states")
local store = require("plugins.workorders.store")
local teams_store = require("plugins.workorders.teams_store")
local view = require("plugins.workorders.rules.view")
local workflow = require("plugins.workorders.workflow")

local M = {}

local WORK = "workorders.work"
local NOTHING = {}

local function not_found()
  errors.raise("NOT_FOUND", "No such work order")
end

--- Returns the caller's rights, their teams among them.
function M.person(ctx)
  local user_id = ctx.actor.user_id
  return access.person(ctx, user_id and teams_store.ids_of_user(ctx, user_id) or {})
end

-- Raises unless the caller may see the work order (404) and take the action (403).
local function check_rights(ctx, order, action)
  local person = M.person(ctx)
  if not order or not access.can_read(person, order) then
    not_found()
  end
  if not access.can(person, action, order) then
    errors.raise("FORBIDDEN", "You may not do this with the work order")
  end
end

-- What the tenant's rules make of an action on a work order.
local function ruled(ctx, id, action, input, input_schema)
  return scripts.before(ctx, "workorder." .. action, input, { id = id, schema = input_schema,
    current = function()
      local order = store.get(ctx, id)
      check_rights(ctx, order, action)
      return view.order(order)
    end })
end

-- The locked work order, if the caller may see it; 403 when they may not take the action.
local function lock(ctx, id, action, versions)
  local order = store.lock(ctx, id)
  check_rights(ctx, order, action)
  etag.require_version(versions, order.version, "The work order")
  return order
end

-- Raises 409 with what is allowed. `wanted` is {action =} or {to =}.
local function refuse_move(order, machine, message, wanted)
  errors.raise("INVALID_TRANSITION", message, { details = { {
    field = "status", code = "transition", message = "not allowed from here", from = order.status,
    action = wanted.action, to = wanted.to, allowed = json.array(states.allowed(order, machine)),
  } } })
end

-- What was asked of the tenant's rules before the lock must be what is done under it.
local function check_asked(ctx, order, to, asked_from)
  if asked_from and asked_from ~= order.status and workflow.is_guarded(ctx, order, to) then
    errors.raise("CONFLICT", "The work order has changed meanwhile: try again")
  end
end

local function check_target(ctx, action, order, asked_from)
  local machine = workflow.of(ctx, order).machine
  local to = states.target(action, order, machine)
  if not to then
    refuse_move(order, machine, ("A work order that is %s cannot %s"):format(order.status, action),
      { action = action })
  end
  check_asked(ctx, order, to, asked_from)
  return to
end

-- Asks the rules that guard the move of an action, and those of its report, where the tenant has
-- rules. @return {from = the status that it was asked from, report = what the report's rules said}
local function ask_guards(ctx, id, action)
  if not workflow.has_rules(ctx) then
    return NOTHING
  end
  local order = store.get(ctx, id)
  check_rights(ctx, order, action)
  local to = states.target(action, order, workflow.of(ctx, order).machine)
  if to then
    workflow.ask(ctx, order, to)
  end
  return { from = order.status, report = to and carrying.ask(ctx, order, to) }
end

-- @param previous what is different now, as it was, or nil
local function announce(ctx, name, order, extra, previous)
  local data = view.order(order)
  data.previous = previous
  for key, value in pairs(extra or {}) do
    data[key] = value
  end
  events.emit(ctx, name, { resource_type = "workorder", resource_id = order.id, data = data,
    personal = view.named(data) })
end

-- Writes a locked row after a step, with all that goes with it. Returns the row as it is now.
local function save(ctx, order, step)
  local before, extra = store.get(ctx, order.id), step.extra or {}
  extra.previousStatus = before.status ~= order.status and before.status or nil
  store.update(ctx, order)
  store.add_history(ctx, {
    work_order_id = order.id, action = step.action, from_status = before.status,
    to_status = order.status, reason = step.reason, details = step.details,
    changed_by = ctx.actor.user_id,
  })
  local after = store.get(ctx, order.id)
  local old, new = view.order(before), after and view.order(after)
  audit.write(ctx, {
    action = "workorder." .. step.action, resource_type = "workorder", resource_id = order.id,
    old = view.audited(old), new = new and view.audited(new),
  })
  announce(ctx, step.event or "workorder.updated", after or before, extra,
    new and difference(new, old))
  return after
end

local function from_report(input, report)
  local place = input.location
    or { description = report.location_description, latitude = report.latitude,
      longitude = report.longitude }
  return {
    report_id = report.id,
    title = input.title or report.title,
    description = input.description or report.description,
    priority = input.priority or states.priority_of(report.severity_level),
    sla_due_at = report.sla_due_at,
    location = place,
  }
end

local function from_input(input)
  return { title = input.title, description = input.description,
    priority = input.priority or "normal", location = input.location or {} }
end

--- Makes a work order, from a report (which becomes acknowledged) or free.
-- @param input as schema.create cleans it
-- @return the work order; {status, rule} of the step of its report that a rule does not let it take
function M.create(ctx, input)
  local id = uuid.v7()
  input = scripts.before(ctx, "workorder.create", input, { id = id, schema = schema.create })
  local release = workflow.opening(ctx, id)
  local asked = carrying.ask_new(ctx, input.reportId)
  return db.transaction(ctx, function(tx)
    local made
    if input.reportId then
      made = from_report(input, reports.get_for_work_order(tx, input.reportId))
    else
      made = from_input(input)
    end
    local now = time.now()
    local row = {
      id = id, report_id = made.report_id, created_by = ctx.actor.user_id,
      title = made.title, description = made.description, priority = made.priority,
      status = states.machine.initial, location_description = made.location.description,
      latitude = made.location.latitude, longitude = made.location.longitude,
      estimated_minutes = input.estimatedMinutes, sla_due_at = made.sla_due_at,
      workflow_release = release,
      checklist = json.array(input.checklist or {}), metadata = input.metadata or {},
      created_at = now,
    }
    local year = now:sub(1, 4)
    local held = carrying.carry_new(tx, made.report_id, asked)
    row.number = ("WO-%s-%06d"):format(year, store.next_number(tx, tonumber(year)))
    store.insert(tx, row)
    escalation.begin(tx, row)
    store.add_history(tx, { work_order_id = row.id, action = "create", to_status = row.status,
      changed_by = ctx.actor.user_id })
    carrying.note(tx, row, held)
    local order = view.order(store.get(tx, row.id))
    audit.write(tx, { action = "workorder.create", resource_type = "workorder",
      resource_id = row.id, new = view.audited(order) })
    announce(tx, "workorder.created", store.get(tx, row.id))
    return order, held
  end)
end

--- Returns one work order with its attachments and history.
function M.get(ctx, id)
  local order = store.get(ctx, id)
  if not order or not access.can_read(M.person(ctx), order) then
    not_found()
  end
  local detail = view.order(order)
  detail.attachments = json.array(files.list(ctx, "workorder", id))
  detail.escalations = escalation.list(ctx, { id })[id]
  return detail
end

--- Returns the history of a work order, oldest first.
function M.get_history(ctx, id)
  local order = store.get(ctx, id)
  if not order or not access.can_read(M.person(ctx), order) then
    not_found()
  end
  local lines = json.array({})
  for i, row in ipairs(store.get_history(ctx, id)) do
    lines[i] = view.change(row)
  end
  return lines
end

--- Changes a work order's words, place, priority or checklist.
function M.update(ctx, id, changes, versions)
  changes = ruled(ctx, id, "update", changes, schema.update)
  return db.transaction(ctx, function(tx)
    local order = lock(tx, id, "update", versions)
    for _, field in ipairs({ "title", "description", "priority", "metadata" }) do
      if changes[field] ~= nil then
        order[field] = changes[field]
      end
    end
    order.estimated_minutes = changes.estimatedMinutes or order.estimated_minutes
    order.checklist = changes.checklist and json.array(changes.checklist) or order.checklist
    if changes.location then
      order.location_description = changes.location.description
      order.latitude, order.longitude = changes.location.latitude, changes.location.longitude
    end
    return view.order(save(tx, order, { action = "update" }))
  end)
end

--- Deletes a work order (softly). Its report goes on as if it were cancelled.
function M.delete(ctx, id, versions)
  local known = store.get(ctx, id)
  check_rights(ctx, known, "delete")
  local asked = carrying.ask(ctx, known, "cancelled")
  db.transaction(ctx, function(tx)
    local order = lock(tx, id, "delete", versions)
    order.deleted_at = time.now()
    escalation.follow(tx, order, order.status)
    save(tx, order, { action = "delete", extra = { deleted = true } })
    carrying.carry_without(tx, order, asked)
  end)
end

--- Raises unless who is to have it can: an active member whose role works, or a living team.
function M.check_assignee(ctx, request)
  if request.teamId then
    if not teams_store.get(ctx, request.teamId) then
      errors.validation({ { field = "teamId", code = "enum", message = "must be a team" } })
    end
  else
    local user = identity.find_user(ctx, request.userId)
    if not user or not user.permissions[WORK] then
      errors.validation({ { field = "userId", code = "enum",
        message = "must be an active member whose role takes work orders" } })
    end
  end
end

local function expected_assignee(request)
  if request.expectedAssignee == json.null then
    return false
  end
  return request.expectedAssignee
end

--- Gives a work order to a person or a team. Two people who do so at once: the second gets 409
-- ASSIGN_RACE, unless they say whom they replace, or force it.
-- @param request as schema.assign cleans it
-- @param versions those that the caller has read (If-Match), as a set; nil: whichever
function M.assign(ctx, id, request, versions)
  request = ruled(ctx, id, "assign", request, schema.assign)
  local asked = ask_guards(ctx, id, "assign")
  return db.transaction(ctx, function(tx)
    local order = lock(tx, id, "assign", versions)
    order.status = check_target(tx, "assign", order, asked.from)
    M.check_assignee(tx, request)
    local previous = { user_id = order.assigned_to, team_id = order.team_id }
    local is_race = assignment.is_race(store.get(tx, id), {
      expected = expected_assignee(request), force = request.force, user_id = ctx.actor.user_id,
      now_ms = time.now_ms(), knows_version = versions ~= nil,
    })
    if is_race then
      errors.raise("ASSIGN_RACE", "Somebody else has just assigned this work order", {
        details = { { field = "userId", code = "race", message = "assigned a moment ago",
          assignedTo = order.assigned_to, teamId = order.team_id } },
      })
    end
    order.assigned_to, order.team_id = request.userId, request.teamId
    order.assigned_at, order.assigned_by = time.now(), ctx.actor.user_id
    return view.order(save(tx, order, {
      action = "assign", event = "workorder.assigned", reason = request.message,
      details = { assignedTo = request.userId, teamId = request.teamId,
        previousAssignee = previous.user_id, previousTeam = previous.team_id },
      extra = { message = request.message, previousAssignee = previous.user_id,
        previousTeam = previous.team_id },
    }))
  end)
end

-- What an action changes besides the status.
local EFFECTS = {
  -- Who accepts a team's work order has it.
  accept = function(ctx, order) order.assigned_to = order.assigned_to or ctx.actor.user_id end,
  reject = function(_, order)
    order.assigned_to, order.team_id, order.assigned_at, order.assigned_by = nil, nil, nil, nil
  end,
  hold = function(_, order, from) order.held_from = from end,
  resume = function(_, order) order.held_from = nil end,
  complete = function(_, order, _, input)
    order.completed_at = time.now()
    order.completion_notes, order.minutes_spent = input.notes, input.minutesSpent
  end,
}

--- Takes a step: accept, reject, start, hold, resume, complete, verify or cancel.
-- @param input the action's body: reason, notes, minutesSpent
-- @param versions those that the caller has read (If-Match), as a set; nil: whichever
-- @return the work order; {status, rule} of the step of its report that a rule does not let it take
function M.act(ctx, id, action, input, versions)
  input = ruled(ctx, id, action, input, schema.BODIES[action])
  local asked = ask_guards(ctx, id, action)
  return db.transaction(ctx, function(tx)
    local order = lock(tx, id, action, versions)
    local from, previous = order.status, order.assigned_to
    order.status = check_target(tx, action, order, asked.from)
    local effect = EFFECTS[action]
    if effect then
      effect(tx, order, from, input)
    end
    escalation.follow(tx, order, from)
    local after = save(tx, order, { action = action, reason = input.reason,
      details = { assignedTo = previous, notes = input.notes, minutesSpent = input.minutesSpent },
      extra = { action = action, previousAssignee = previous } })
    local held = carrying.carry(tx, after, asked.report)
    return view.order(after), held
  end)
end

-- An action may also be called for by the status that it leads to, unless there is more to say
-- than a reason.
local NEEDS_REASON = { reject = true, hold = true }

local function check_status(order, action, change)
  if action == "assign" then
    errors.validation({ { field = "status", code = "check",
      message = "must not be assigned: PUT /workorders/:id/assign says to whom" } })
  elseif NEEDS_REASON[action] and not change.reason then
    errors.validation({ { field = "reason", code = "required",
      message = ("must say why the work order goes from %s to %s"):format(order.status,
        change.status) } })
  end
end

--- Moves a work order to another status: by the action that leads there, or, where only the
-- tenant's rules know the move, as it is.
-- @param change {status, reason|nil}
-- @param versions those that the caller has read (If-Match), as a set; nil: whichever
-- @return as M.act
function M.set_status(ctx, id, change, versions)
  change = ruled(ctx, id, "status", change, schema.status)
  local order, to = store.get(ctx, id), change.status
  check_rights(ctx, order, "status")
  local machine = workflow.of(ctx, order).machine
  if not states.can(order, to, machine) then
    refuse_move(order, machine, ("A work order cannot go from %s to %s"):format(order.status, to),
      { to = to })
  end
  local action = states.action_to(order, to, machine)
  if action == "assign" or schema.BODIES[action] then
    check_status(order, action, change)
    return M.act(ctx, id, action, { reason = change.reason }, versions)
  end
  workflow.ask(ctx, order, to)
  local asked_from = order.status
  return db.transaction(ctx, function(tx)
    local locked = lock(tx, id, "status", versions)
    local from = locked.status
    if not states.can(locked, to, workflow.of(tx, locked).machine) then
      refuse_move(locked, machine, ("A work order cannot go from %s to %s"):format(from, to),
        { to = to })
    end
    check_asked(tx, locked, to, asked_from)
    locked.status = to
    escalation.follow(tx, locked, from)
    local after = save(tx, locked, { action = "status", reason = change.reason,
      extra = { action = "status" } })
    return view.order(after)
  end)
end

--- Gives a work order the status that the active release has for its own, and pins it to that.
-- @param move {from, to}
-- @param number of the release, or nil
function M.migrate(ctx, id, move, number)
  db.transaction(ctx, function(tx)
    local order = store.lock(tx, id)
    if order and order.status == move.from then
      order.status = move.to
      escalation.follow(tx, order, move.from)
      workflow.pins.put(tx, id, number)
      save(tx, order, { action = "migrate", reason = "Moved to the workflow in force",
        extra = { action = "migrate" } })
    end
  end)
end

-- Whether a work order may still be given to others.
local function can_move_to(ctx, order, team_id)
  return team_id and team_id ~= order.team_id and states.target("assign", order)
    and teams_store.get(ctx, team_id) ~= nil
end

--- Changes a locked work order because its time runs out, in the transaction of the clock's step.
-- @param wanted percent (of its time that is over), raise = its priority, team_id = that gets it;
--   or due_at alone
-- @return the row as it is now
function M.escalate(ctx, order, wanted)
  local step = { action = "escalate", details = { percent = wanted.percent },
    extra = { action = "escalate", escalation = { percent = wanted.percent } } }
  if wanted.raise then
    order.priority = states.raised(order.priority)
  end
  if can_move_to(ctx, order, wanted.team_id) then
    step.event = "workorder.assigned"
    step.extra.previousAssignee, step.extra.previousTeam = order.assigned_to, order.team_id
    order.status = states.target("assign", order)
    order.assigned_to, order.team_id = nil, wanted.team_id
    order.assigned_at, order.assigned_by = time.now(), nil
  end
  if not wanted.percent then
    step = { action = "update" }
    order.sla_due_at = wanted.due_at
  end
  return save(ctx, order, step)
end

--- Returns what these reports show of the work on them, as far as the caller may see it:
-- {[report id] = work orders}.
function M.summaries_of_reports(ctx, report_ids)
  local found = {}
  for _, id in ipairs(report_ids) do
    found[id] = json.array({})
  end
  if #report_ids == 0 then
    return found
  end
  local person, ids = M.person(ctx), {}
  local rows = store.find_by_reports(ctx, report_ids)
  for i, row in ipairs(rows) do
    ids[i] = row.id
  end
  local escalations = escalation.list(ctx, ids)
  for _, row in ipairs(rows) do
    if access.can_read(person, row) then
      local orders, order = found[row.report_id], view.order(row)
      order.escalations = escalations[row.id]
      orders[#orders + 1] = order
    end
  end
  return found
end

--- Returns the work order, if the caller may see it, and their rights (for remediations and files).
function M.find(ctx, id)
  local order, person = store.get(ctx, id), M.person(ctx)
  if order and access.can_read(person, order) then
    return order, person
  end
end

return M
