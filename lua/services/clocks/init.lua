--- Clocks that run in a tenant's business hours: how long something has waited, when it is due, and
-- what happens as that comes nearer (steps). A clock belongs to a resource, is written in the
-- transaction of what begins, pauses or ends it, and its steps are taken by the job workers
-- (services.clocks.driver).
--
-- Services and plugins name their kinds of clocks in init.lua, M.clocks = { [kind] = {
--   steps = function(ctx, clock) -> {{mark = a number that grows, after_ms =, ...}, ...}
--   lock = function(ctx, resource_id, clock) -> the resource, locked, or nil when it needs no clock
--     any more
--   prepare = function(ctx, clock, step) -> anything; nil to stop the clock. May wait; runs before
--     the transaction, again after a failure; then also when the clock does not run any more
--     (clock.state): what it had begun may have made it stop. What was prepared is taken. Optional
--   take = function(ctx, resource, clock, step, prepared): what the step does, in the transaction
--     in which the clock advances. Returns true to take it and stop the clock
--   moved = function(ctx, resource, clock, due_ms): the target is due at another time. Optional
-- } }

local jobs = require("services.jobs")
local time = require("core.time")
local uuid = require("core.uuid")
local calendars = require("services.clocks.calendars")
local driver = require("services.clocks.driver")
local figures = require("services.clocks.figures")
local kinds = require("services.clocks.kinds")
local reckoning = require("services.clocks.reckoning")
local store = require("services.clocks.store")

local M = {}

local started

--- The business hours of the context's tenant (core.calendar).
M.calendar = calendars.of

--- When something is due that is to be done in `target_ms` of open time from `from_ms` on, or nil.
function M.due(ctx, target_ms, from_ms)
  return calendars.of(ctx):after(from_ms, target_ms)
end

--- Begins a clock, in the caller's transaction.
-- @param clock kind, resource_type, resource_id; name (where a resource has several of a kind),
--   target_ms, since_ms (default now)
function M.begin(ctx, clock)
  assert(ctx.tx, "clocks.begin needs a transaction")
  local row = {
    id = uuid.v7(),
    kind = clock.kind,
    name = clock.name or "",
    resource_type = clock.resource_type,
    resource_id = clock.resource_id,
    state = "running",
    since_ms = clock.since_ms or time.now_ms(),
    elapsed_ms = 0,
    target_ms = clock.target_ms,
    mark = 0,
  }
  reckoning.plan(calendars.of(ctx), row, kinds.steps(ctx, row))
  store.insert(ctx, row)
end

--- The steps of a policy for a clock: one at each percentage of its target.
-- @param policy {{percent =, ...}, ...} in any order
-- @return {{mark = percent, after_ms =, at = the entry of the policy}, ...}
function M.percent_steps(policy, clock)
  local steps = {}
  for i, at in ipairs(clock.target_ms and policy or {}) do
    steps[i] = { mark = at.percent, after_ms = clock.target_ms * at.percent / 100, at = at }
  end
  table.sort(steps, function(a, b)
    return a.mark < b.mark
  end)
  return steps
end

--- Reckons the tenant's clocks of a kind anew, in a job, some time after the transaction: their
-- steps are others.
function M.reckon(ctx, kind, after_ms)
  jobs.enqueue(ctx, "clocks.reckon", { kind = kind }, { run_at = time.now_ms() + after_ms })
end

-- When the target of a running clock is due; nil when it has none or is past it already.
local function target_due(calendar, clock)
  return clock.state == "running" and clock.target_ms and clock.target_ms > clock.elapsed_ms
    and reckoning.due(calendar, clock, clock.target_ms) or nil
end

-- Writes a changed clock. One that does not run any more goes on being tried if it is: a step that
-- is prepared may have stopped it by what it does.
local function write(ctx, clock)
  local kind = kinds.find(clock.kind)
  if clock.state ~= "running" and clock.attempts > 0 and kind and kind.prepare then
    store.halt(ctx, clock)
  else
    store.update(ctx, clock)
  end
end

-- Changes the locked clocks of a resource by fn(clock, calendar, now_ms), which returns whether it
-- changed the clock.
-- @return when the target of the first changed clock that has one is due now, or nil
local function change(ctx, resource_type, resource_id, fn)
  assert(ctx.tx, "clocks change in a transaction")
  local calendar, now_ms, due = calendars.of(ctx), time.now_ms(), nil
  for _, clock in ipairs(store.lock_of(ctx, resource_type, resource_id)) do
    if fn(clock, calendar, now_ms) then
      reckoning.plan(calendar, clock, kinds.steps(ctx, clock))
      write(ctx, clock)
      due = due or target_due(calendar, clock)
    end
  end
  return due
end

--- Brings all clocks of a resource into a state: "running", "paused" or "stopped" (which may run
-- again). What they counted is kept, what they did is not done again.
-- @return when the target is due now, where that moved; else nil
function M.follow(ctx, resource_type, resource_id, state)
  return change(ctx, resource_type, resource_id, function(clock, calendar, now_ms)
    if clock.state ~= state then
      reckoning.move(calendar, clock, state, now_ms)
      return true
    end
  end)
end

--- Brings one clock of a resource into a state.
-- @return whether there is such a clock
function M.set_state(ctx, key, state)
  local found = false
  change(ctx, key.resource_type, key.resource_id, function(clock, calendar, now_ms)
    if clock.kind == key.kind and clock.name == (key.name or "") then
      found = true
      if clock.state ~= state then
        reckoning.move(calendar, clock, state, now_ms)
        return true
      end
    end
  end)
  return found
end

--- Gives the clock of a kind another target. Steps that were taken are not taken again.
-- @return when it is due now, where it still can be; whether there is such a clock
function M.retarget(ctx, resource_type, resource_id, kind, target_ms)
  local found = false
  local due = change(ctx, resource_type, resource_id, function(clock)
    if clock.kind == kind then
      found = true
      clock.target_ms = target_ms
      return true
    end
  end)
  return due, found
end

--- Takes the tenant's steps that are due up to a time, one after the other, in the caller's
-- transaction: for seeds that make a past.
-- @param go function(ms), called with when a step is due before it is taken
function M.live_until(ctx, until_ms, go)
  assert(ctx.tx, "clocks.live_until needs a transaction")
  local taken
  repeat
    local clock = store.find_first_due(ctx, until_ms)
    if clock then
      go(clock.next_due_ms + 1) -- the due time is cut to a millisecond
    end
    taken = clock and driver.take(ctx, clock)
  until not taken
end

--- The clocks of a resource: {kind, name, state, elapsed_ms (now), target_ms, mark, next_due_ms}.
function M.list(ctx, resource_type, resource_id)
  local calendar, now_ms = calendars.of(ctx), time.now_ms()
  local list = {}
  for i, clock in ipairs(store.list_of(ctx, resource_type, resource_id)) do
    list[i] = { kind = clock.kind, name = clock.name, state = clock.state, mark = clock.mark,
      elapsed_ms = reckoning.elapsed(calendar, clock, now_ms), target_ms = clock.target_ms,
      next_due_ms = clock.next_due_ms }
  end
  return list
end

--- SQL that is true when a step of the clocks of a thing was taken: select_taken(resource_type, SQL
-- of the thing's id).
M.select_taken = store.select_taken

M.hooks = { collect = figures.collect, settings_changed = calendars.settings_changed }

function M.start(registry)
  if registry.role == "job" then
    started = driver.start()
  end
end

function M.stop()
  if started then
    started:stop()
    started = nil
  end
end

return M
