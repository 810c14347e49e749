--- From events to handlers: the relay's batch becomes one job for each handler that listens, in the
-- transaction that numbers the events; a job runs its handler until it has gone well, each effect
-- once (services.scripts.effects).
--
-- A job stays with the release that ran when its event was numbered.

local config = require("core.config")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local log = require("core.log")
local trace = require("core.trace")
local events = require("services.events")
local jobs = require("services.jobs")
local active_releases = require("services.scripts.active")
local allowance = require("services.scripts.allowance")
local breaker = require("services.scripts.breaker")
local escalations = require("services.scripts.escalations")
local hooks = require("services.scripts.hooks")
local queues = require("services.scripts.queues")
local listeners_store = require("services.scripts.listeners_store")
local store = require("services.scripts.store")

local M = {}

M.JOB = "scripts.handle"
M.MAX_ATTEMPTS = 8

-- Numbering ---------------------------------------------------------------------

local function tenants_of(rows)
  local ids, seen = {}, {}
  for _, row in ipairs(rows) do
    if not seen[row.tenant_id] then
      seen[row.tenant_id] = true
      ids[#ids + 1] = row.tenant_id
    end
  end
  return ids
end

local function context_of(ctx, row)
  return ctx:with({ tenant = { id = row.tenant_id }, request_id = row.request_id,
    trace = row.traceparent and trace.pass(row.traceparent) })
end

--- Enqueues one run of a handler, in the transaction of ctx, whose tenant's it is.
-- @param event id (of this cause alone: each effect is once for it), event, data, actor, ...
function M.put(ctx, release, hook, event)
  jobs.enqueue(ctx, M.JOB, { release = release.id, hook = hook.key, file = hook.file,
    event = event }, { queue = queues.of(ctx.tenant.id),
    priority = queues.PRIORITY, max_attempts = M.MAX_ATTEMPTS })
end

local function enqueue(ctx, row, release, hook)
  M.put(context_of(ctx, row), release, hook, {
    id = row.event_id, event = row.event, resourceType = row.resource_type,
    resourceId = row.resource_id, data = json.raw(row.payload), actor = json.raw(row.actor),
    personal = row.personal and json.raw(row.personal), occurredAt = row.occurred_at,
  })
end

local function tell(ctx, row, version)
  if json.decode(row.actor).silent then
    return -- it is told for the record alone
  end
  local active = active_releases.find(ctx, row.tenant_id, version)
  local release = active and active_releases.for_entity(active, row.resource_id)
  for _, hook in ipairs(release and hooks.find(release, "on", row.event) or {}) do
    enqueue(ctx, row, release, hook)
  end
  if release then
    escalations.numbered(context_of(ctx, row), row, release)
  end
end

--- The relay's hook: enqueues what listens to the events of a batch. What was published before an
-- event happened is what runs for it, whether this worker has heard of it or not. What the rules of
-- one tenant make impossible leaves the others alone; a failure of the database is for the relay.
-- @param ctx with the transaction that numbers them
-- @param rows of event_log
function M.numbered(ctx, rows)
  if #rows == 0 then
    return
  end
  local listening = listeners_store.find_listening(ctx, tenants_of(rows))
  for _, row in ipairs(rows) do
    local ok, err = true, nil
    if listening[row.tenant_id] then
      ok, err = pcall(tell, ctx, row, listening[row.tenant_id])
    end
    if not ok and errors.is(err) then
      error(err, 0)
    elseif not ok then
      log.error(context_of(ctx, row), "an event's listeners were not found",
        { event = row.event, eventId = row.event_id, error = tostring(err) })
    end
  end
end

-- Handling ----------------------------------------------------------------------

local function find_hook(release, payload)
  for _, hook in ipairs(release.hooks) do
    if hook.key == payload.hook then
      return hook
    end
  end
end

local function is_off(ctx, payload)
  for _, row in ipairs(store.list_disabled(ctx)) do
    if row.handler == payload.hook or row.handler == "" and row.path == payload.file then
      return true
    end
  end
  return false
end

-- A release as it runs now, or nil.
local function find_running(ctx, id)
  local active = active_releases.find(ctx, ctx.tenant.id)
  if active and active.id == id then
    return active
  end
  return active and active.canary and active.canary.id == id and active.canary or nil
end

-- The release that a job belongs to: most often one that runs still.
local function release_of(ctx, id)
  return find_running(ctx, id) or active_releases.release(ctx, id)
end

local function give_up(message)
  local err = errors.new("GONE", message)
  err.permanent, err.theirs = true, true
  error(err, 0)
end

local function is_last(outcome, job)
  return outcome.permanent or job.attempt >= M.MAX_ATTEMPTS
end

-- Notes a failed attempt, and raises for the queue. What was published since is not switched off by
-- how its predecessor fails.
local function fail(ctx, hook, outcome, payload, job)
  if find_running(ctx, payload.release) then
    breaker.failed(ctx, hook, outcome.error)
  end
  if is_last(outcome, job) then
    db.transaction(ctx, function(tx)
      breaker.announce(tx, hook, { eventId = payload.event.id, error = outcome.error })
    end)
  end
  local err = errors.new("RULE_FAILED", ("%s: %s"):format(hook.key, outcome.error.message))
  err.permanent, err.theirs = outcome.permanent, true
  error(err, 0)
end

-- Too deep: rules that set each other off for ever end here.
local function refuse_depth(max, hook)
  return { code = "LIMIT_DEPTH", message = ("limit: depth %d at %s:%d"):format(max, hook.file,
    hook.line), file = hook.file, line = hook.line }
end

--- Runs one handler for one event.
-- @param payload release (its id), hook (its key), file, event
-- @param job the handle of the queue
function M.handle(ctx, payload, job)
  local release = release_of(ctx, payload.release) or give_up("the release is gone")
  local hook = find_hook(release, payload)
  if not hook or is_off(ctx, payload) then
    give_up("the rule is switched off")
  end
  allowance.check(ctx)
  local event = events.open(ctx, payload.event)
  local depth = (tonumber(event.actor.depth) or 0) + 1
  local depth_max = config.get().scripts.depth_max
  local outcome = hooks.run(ctx, release, hook, { event }, {
    lane = allowance.LANE, depth = depth, event = event.event, event_id = event.id,
    attempt = job.attempt,
    origin = { cause = event.id, handler = hook.key, again = job.attempt > 1 },
    refusal = depth > depth_max and refuse_depth(depth_max, hook) or nil,
    status = function(run)
      if not run.error or run.error.code == "LIMIT_DEPTH" then
        return run.status
      end
      return is_last(run, job) and "dead" or "retrying"
    end,
  })
  allowance.count(ctx)
  if not outcome.error then
    breaker.went_well(ctx, hook)
  elseif outcome.error.code ~= "LIMIT_DEPTH" then
    fail(ctx, hook, outcome, payload, job)
  end
  return { run = outcome.id, status = outcome.status }
end

return M
