--- Dry runs: what the draft would have done about past events, or about one made up; and what of it
-- the active release would have done differently. Reads work, writes are noted; what a rule writes
-- to kv is seen by the rules of the same release from there on.

local config = require("core.config")
local db = require("core.db")
local difference = require("core.difference")
local errors = require("core.errors")
local json = require("core.json")
local time = require("core.time")
local uuid = require("core.uuid")
local events = require("services.events")
local jobs = require("services.jobs")
local actions = require("services.scripts.actions")
local active_releases = require("services.scripts.active")
local check = require("services.scripts.check")
local drafts = require("services.scripts.drafts")
local hooks = require("services.scripts.hooks")
local keys = require("services.scripts.keys")
local paths = require("services.scripts.paths")
local process = require("services.scripts.process")
local queues = require("services.scripts.queues")
local registry = require("core.registry")
local store = require("services.scripts.runs_store")

local M = {}

M.JOB = "scripts.trial"

-- Ids of what a dry run only says that it makes, of the event and the place in it: well-formed, and
-- known by anybody who reads them.
local MADE_UP = "00000000-0000-7000-8000-%06d%06d"
local SORTED = { sorted = true }

local function fail(field, code, message)
  errors.validation({ { field = field, code = code, message = message } })
end

-- What is tried -------------------------------------------------------------------

-- The draft as a release that can run; 422 with what is wrong with it. What loads is tried: the
-- linter, of whose programs few run at a time, is asked only about what does not.
local function draft_of(ctx)
  local all, files = drafts.read(ctx).files, {}
  for _, file in ipairs(all) do
    if paths.is_rule(file.path) then
      files[#files + 1] = file
    end
  end
  local declared = process.declared(ctx.tenant.id, files)
  if not declared or check.has_errors(declared.problems) then
    declared = json.decode(check.must_pass(ctx, all).declared)
  end
  return { name = "draft", tenant_id = ctx.tenant.id, files = files,
    hooks = keys.give(declared.hooks) }
end

local function active_of(ctx)
  local active = active_releases.find(ctx, ctx.tenant.id)
  if not active or not active.id then
    fail("compare", "check", "there is no active release")
  end
  return active
end

-- The events that hooks of a release have to do with.
local function names_of(release, set)
  for _, hook in ipairs(release.hooks) do
    local action = hook.kind == "before" and registry.script_actions[hook.name]
    if action then
      set[action.event] = true
    elseif hook.kind == "on" then
      set[hook.name] = true
    end
  end
end

-- Past events ---------------------------------------------------------------------

-- An event of the log as rules see it.
local function shown(event)
  return { id = event.id, event = event.event, resourceType = event.resourceType,
    resourceId = event.resourceId, data = event.data, actor = event.actor,
    occurredAt = event.occurredAt }
end

local function made_up(given)
  if not registry.emits[given.event] then
    fail("event.event", "enum", "must be an event")
  end
  return { id = json.null, event = given.event,
    resourceType = given.resourceType or given.event:match("^[^.]+"),
    resourceId = given.resourceId or json.null, data = given.data, actor = { kind = "user" },
    occurredAt = time.now() }
end

local function latest(ctx, releases, count)
  local set, names, list = {}, {}, {}
  for _, release in ipairs(releases) do
    names_of(release, set)
  end
  for name in pairs(set) do
    names[#names + 1] = name
  end
  for i, event in ipairs(#names > 0 and events.list_latest(ctx, names, count) or {}) do
    list[i] = shown(event)
  end
  return list
end

local function events_of(ctx, request, releases)
  if request.event then
    return { made_up(request.event) }
  elseif request.eventId then
    local event = events.find(ctx, request.eventId)
      or errors.raise("NOT_FOUND", "There is no such event of the last 90 days")
    return { shown(event) }
  end
  return latest(ctx, releases, request.last)
end

-- Decisions -----------------------------------------------------------------------

-- How a release is run over an event: by the time when it happened, and with ids that are the same
-- another time, so that two releases which decide alike do not differ; what they make up for one
-- event is another thing than for the next.
local function pretence(event, dry)
  local made = 0
  dry.events = (dry.events or 0) + 1
  return { lane = "draft", dry = dry, quiet = true, at = event.occurredAt, new_id = function()
    made = made + 1
    return MADE_UP:format(dry.events, made)
  end }
end

local function new_result(event)
  return { eventId = event.id, event = event.event, resourceId = event.resourceId,
    actions = json.array({}), log = json.array({}), cpuMs = 0, memoryBytes = 0, calls = 0 }
end

local function add(result, outcome)
  for _, action in ipairs(outcome.actions) do
    table.insert(result.actions, action)
  end
  for _, line in ipairs(outcome.log) do
    table.insert(result.log, line)
  end
  result.error = result.error or outcome.error
  result.cpuMs = result.cpuMs + outcome.cpu_us / 1000
  result.memoryBytes = math.max(result.memoryBytes, outcome.memory)
  result.calls = result.calls + outcome.calls
end

local function note(result, hook, call, arguments, line)
  table.insert(result.actions, { call = call, arguments = arguments, file = hook.file,
    line = tonumber(line) or hook.line })
end

-- Whether the action went on.
local function read_decision(result, hook, value, data)
  value = type(value) == "table" and value or {}
  if type(value.rejected) == "table" and #value.rejected > 0 then
    for _, entry in ipairs(value.rejected) do
      note(result, hook, "reject", { field = entry.field, message = entry.message }, entry.line)
    end
    return nil
  elseif type(value.changed) == "table" then
    note(result, hook, "change", difference(data, value.changed))
    return value.changed
  end
  return data
end

local function try_before(ctx, release, event, result, how)
  local action = actions.of_event(event)
  local found = action and hooks.find(release, "before", action) or {}
  local is_past = event.id ~= json.null
  local data = #found > 0 and is_past and actions.given(ctx, action, event) or event.data
  for _, hook in ipairs(found) do
    local about = { user = event.actor, action = action, id = event.resourceId }
    local outcome = hooks.run(ctx, release, hook, { data, about }, how)
    add(result, outcome)
    data = outcome.error and data or read_decision(result, hook, outcome.value, data)
    if not data then
      return false
    end
  end
  return true
end

-- What a release would do about an event.
-- @param dry what the events before it have left, a table
local function decide(ctx, release, event, dry)
  local result, how = new_result(event), pretence(event, dry)
  if try_before(ctx, release, event, result, how) then
    for _, hook in ipairs(hooks.find(release, "on", event.event)) do
      add(result, hooks.run(ctx, release, hook, { event }, how))
    end
  end
  result.cpuMs = math.floor(result.cpuMs * 100 + 0.5) / 100
  return result
end

-- What of a result is a decision: not where it stands, nor what it cost.
local function essence(result)
  local list = json.array({})
  for i, action in ipairs(result.actions) do
    list[i] = { call = action.call, arguments = action.arguments }
  end
  return json.encode({ actions = list, error = result.error and result.error.code }, SORTED)
end

local function new_answer(with_difference)
  return { events = json.array({}), difference = with_difference and json.array({}) or nil,
    totals = { events = 0, actions = 0, errors = 0, different = 0, calls = 0, cpuMs = 0 } }
end

local function append(answer, result, other)
  local totals = answer.totals
  table.insert(answer.events, result)
  totals.events = totals.events + 1
  totals.actions = totals.actions + #result.actions
  totals.errors = totals.errors + (result.error and 1 or 0)
  totals.calls = totals.calls + result.calls
  totals.cpuMs = totals.cpuMs + result.cpuMs
  if other and essence(result) ~= essence(other) then
    totals.different = totals.different + 1
    table.insert(answer.difference, { eventId = result.eventId, active = other.actions,
      draft = result.actions, activeError = other.error, draftError = result.error })
  end
end

-- @param ms after which it is given up
-- @return the answer, or nil when the time was not enough
local function try(ctx, request, ms)
  local draft = draft_of(ctx)
  local active = request.compare and active_of(ctx)
  local answer = new_answer(active ~= nil)
  local draft_dry, active_dry = {}, {}
  local until_ms = time.monotonic_ms() + ms
  for _, event in ipairs(events_of(ctx, request, { draft, active })) do
    append(answer, decide(ctx, draft, event, draft_dry),
      active and decide(ctx, active, event, active_dry))
    if time.monotonic_ms() > until_ms then
      return nil
    end
  end
  return answer
end

--- Tries the draft.
-- @param request event | eventId | last, compare
-- @return the answer; or nil and the id under which it will be found
function M.run(ctx, request)
  local answer = try(ctx, request, config.get().scripts.test_wait_ms)
  if answer then
    return answer
  end
  local id = uuid.v7()
  db.transaction(ctx, function(tx)
    store.insert_trial(tx, id, json.encode(request))
    jobs.enqueue(tx, M.JOB, { trial = id }, { queue = queues.of(tx.tenant.id) })
  end)
  return nil, id
end

--- Does what took too long for a request.
-- @param limit_ms how long it may take
function M.finish(ctx, id, limit_ms)
  local row = store.find_trial(ctx, id)
  if not row or row.state ~= "running" then
    return
  end
  local ok, answer = pcall(try, ctx, json.decode(row.request), limit_ms)
  if not ok and not errors.is(answer) then
    error(answer, 0)
  end
  local state = ok and answer and "done" or "failed"
  local problem = not ok and { code = answer.code, message = answer.message }
    or { code = "TIMEOUT", message = "It took too long: try fewer events" }
  store.end_trial(ctx, id, state, json.encode(state == "done" and answer or { error = problem }))
end

--- A dry run that was begun: {id, state, answer}; 404 when there is none.
function M.get(ctx, id)
  local row = store.find_trial(ctx, id) or errors.raise("NOT_FOUND", "There is no such test")
  local answer = row.answer and json.decode(row.answer)
  return {
    id = row.id, state = row.state, createdAt = row.created_at,
    result = row.state == "done" and answer or nil,
    error = row.state == "failed" and answer and answer.error or nil,
  }
end

return M
