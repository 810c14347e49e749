--- Escalations of tenants' rules: a clock of a report or work order for each that concerns it,
-- begun when its `when` becomes true, stopped when it is so no more. The events of a thing make a
-- job that asks; the steps are taken as those of every clock (services.clocks), each effect of
-- theirs once.
--
-- What runs for the thing decides: a release that changes an escalation changes what is left of it.

local clocks = require("services.clocks")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local jobs = require("services.jobs")
local registry = require("core.registry")
local time = require("core.time")
local active_releases = require("services.scripts.active")
local allowance = require("services.scripts.allowance")
local breaker = require("services.scripts.breaker")
local hooks = require("services.scripts.hooks")
local journals = require("services.scripts.journal")
local queues = require("services.scripts.queues")

local M = {}

M.JOB = "scripts.watch"
M.KIND = "script"

local ASK = 0 -- the step that asks whether it is to escalate at all
local NOTHING = {}

local indexes = setmetatable({}, { __mode = "k" }) -- release -> {of = array of hooks}

-- The escalations of a release for things of a type.
local function of_type(release, resource_type)
  local index = indexes[release]
  if not index then
    index = {}
    for _, hook in ipairs(release.hooks) do
      if hook.kind == "escalate" then
        index[hook.of] = index[hook.of] or {}
        table.insert(index[hook.of], hook)
      end
    end
    indexes[release] = index
  end
  return index[resource_type] or NOTHING
end

local function find(release, resource_type, name)
  for _, hook in ipairs(release and of_type(release, resource_type) or NOTHING) do
    if hook.name == name then
      return hook
    end
  end
end

--- Enqueues the question whether the thing of an event is to escalate, where a rule asks.
-- @param ctx of the event's tenant, with the transaction that numbers it
-- @param row of event_log
function M.numbered(ctx, row, release)
  if #of_type(release, row.resource_type) > 0 then
    jobs.enqueue(ctx, M.JOB, { resourceType = row.resource_type, resourceId = row.resource_id,
      occurredAt = row.occurred_at },
      { queue = queues.of(ctx.tenant.id), priority = queues.PRIORITY })
  end
end

-- Runs a hook; raises when it fails.
local function run(ctx, release, hook, data, options)
  options.lane, options.depth, options.event = allowance.LANE, 1, "escalate:" .. hook.name
  local outcome = hooks.run(ctx, release, hook, { data }, options)
  allowance.count(ctx)
  if outcome.error then
    breaker.failed(ctx, hook, outcome.error)
    local err = errors.new("RULE_FAILED", ("%s: %s"):format(hook.key, outcome.error.message))
    err.permanent = outcome.permanent
    error(err, 0)
  end
  return outcome.value
end

local function is_wanted(ctx, release, hook, data)
  return not hook.conditional or run(ctx, release, hook, data, { step = ASK }) == true
end

-- Begins, stops or goes on with the clock of one escalation.
local function settle(ctx, hook, payload, clock, wanted)
  local key = { kind = M.KIND, name = hook.name, resource_type = payload.resourceType,
    resource_id = payload.resourceId }
  db.transaction(ctx, function(tx)
    if not registry.script_entities[key.resource_type].lock(tx, key.resource_id) then
      return
    elseif clock then
      clocks.set_state(tx, key, wanted and "running" or "stopped")
    else
      key.since_ms = math.min(time.parse(payload.occurredAt), time.now_ms())
      clocks.begin(tx, key)
    end
  end)
end

-- Asks whether a thing is to escalate, and sees to it.
local function ask(ctx, release, hook, data, payload, clock)
  local wanted = is_wanted(ctx, release, hook, data)
  local runs = clock ~= nil and clock.state == "running"
  if wanted ~= runs then
    settle(ctx, hook, payload, clock, wanted)
  end
end

--- The job: asks for each escalation whether the thing is to escalate. One that fails keeps no
-- other from being asked; the job fails then, and is tried again while that is of use to one.
-- @param payload resourceType, resourceId, occurredAt
function M.watch(ctx, payload)
  local release = hooks.release(ctx, payload.resourceId)
  local found = release and of_type(release, payload.resourceType) or NOTHING
  local entity = registry.script_entities[payload.resourceType]
  local data = #found > 0 and entity and entity.show(ctx, payload.resourceId)
  if not data then
    return -- it has gone or ended, and its clocks with it
  end
  allowance.check(ctx)
  local known = {}
  for _, clock in ipairs(clocks.list(ctx, payload.resourceType, payload.resourceId)) do
    if clock.kind == M.KIND then
      known[clock.name] = clock
    end
  end
  local problem
  for _, hook in ipairs(found) do
    local ok, err = xpcall(ask, errors.capture, ctx, release, hook, data, payload, known[hook.name])
    if not ok and (not problem or problem.permanent) then
      problem = err
    end
  end
  if problem then
    error(problem, 0)
  end
end

local function steps_of(ctx, clock)
  local hook = find(hooks.release(ctx, clock.resource_id), clock.resource_type, clock.name)
  local steps = {}
  for i, step in ipairs(hook and hook.steps or NOTHING) do
    steps[i] = { mark = i, after_ms = step.after * 1000 }
  end
  return steps
end

local function lock(ctx, id, clock)
  local entity = registry.script_entities[clock.resource_type]
  return entity and entity.lock(ctx, id)
end

-- A step that an attempt has begun ends as it was begun: with the thing as it was then, and by the
-- release that ran. Else it is what runs now that decides, and whether the thing is to escalate.
-- @return the release, the hook, the thing; or nil when there is nothing to do
local function standing(ctx, clock, journal)
  local running = hooks.release(ctx, clock.resource_id)
  local hook = find(running, clock.resource_type, clock.name)
  local entity = registry.script_entities[clock.resource_type]
  local data = hook and entity and entity.show(ctx, clock.resource_id) or nil
  local has_begun = journal:has_begun()
  if not hook or not has_begun and (clock.state ~= "running" or not data) then
    return nil
  end
  allowance.check(ctx)
  if not has_begun and not is_wanted(ctx, running, hook, data) then
    return nil
  end
  local given = journal:given({ release = running.id, data = data })
  local release = given.release ~= running.id and active_releases.release(ctx, given.release)
    or running
  return release, find(release, clock.resource_type, clock.name) or hook, given.data
end

-- Runs a step, before the clock advances: should the worker die in between, it runs again and finds
-- its effects done. Nil when the thing is not to escalate any more.
local function prepare(ctx, clock, step)
  local origin = { cause = ("%s:%d"):format(clock.id, step.mark), again = true,
    handler = "escalate:" .. clock.name } -- in whatever file a release has it
  origin.journal = journals.open(ctx, origin)
  local release, hook, data = standing(ctx, clock, origin.journal)
  if not release then
    return nil
  end
  run(ctx, release, hook, data or json.null, { step = step.mark, attempt = clock.attempts,
    origin = origin })
  breaker.went_well(ctx, hook)
  return true
end

--- What services.clocks wants of it.
M.kinds = { [M.KIND] = { steps = steps_of, lock = lock, prepare = prepare, take = function() end } }

return M
