--- Takes the steps that are due, in every job worker. A clock is taken by putting its wake_at off
-- for a lease; its step is one transaction that locks the resource, then the clock, looks whether
-- nobody was faster, does what the step does and advances the clock. So a step happens once,
-- however many workers and nodes there are and whenever they die; and after a downtime one after
-- the other, since a clock has one next step.

local background = require("core.background")
local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local log = require("core.log")
local registry = require("core.registry")
local task = require("core.task")
local time = require("core.time")
local calendars = require("services.clocks.calendars")
local due_store = require("services.clocks.due_store")
local figures = require("services.clocks.figures")
local kinds = require("services.clocks.kinds")
local reckoning = require("services.clocks.reckoning")
local store = require("services.clocks.store")

local M = {}

local POLL_MS = 1000
-- Steps that ask a tenant's rules take as long as those: they have a lane of their own.
local LANES = { quick = false, slow = true }
local AT_ONCE = 6 -- in each
local LEASE_S = 90
local STEP_MS = 60000 -- shorter than the lease
local ATTEMPTS_MAX = 8
local RETRY_MIN_S, RETRY_MAX_S = 2, 600
local AWAY_S = 3600 -- until one looks again at a clock of no tenant or no plugin that is there
local ERROR_MAX = 1000

local function system(tenant)
  return context.system({ name = "clocks", tenant = tenant })
end

-- The next step of a clock, if it is due.
local function due_step(ctx, clock, now_ms)
  local calendar = calendars.of(ctx)
  local step, after_ms = reckoning.next_step(kinds.steps(ctx, clock), clock.mark)
  if clock.state == "running" and step
    and reckoning.elapsed(calendar, clock, now_ms) >= after_ms then
    return step
  end
end

local function save(ctx, clock)
  reckoning.plan(calendars.of(ctx), clock, kinds.steps(ctx, clock))
  store.update(ctx, clock)
end

local function stop(ctx, clock)
  if clock.state == "running" then
    reckoning.move(calendars.of(ctx), clock, "stopped", time.now_ms())
  end
  save(ctx, clock)
end

-- The locked resource and clock, while the clock is where it was when it was taken.
local function lock(ctx, kind, taken)
  local resource = kind.lock(ctx, taken.resource_id, taken)
  local clock = store.lock(ctx, taken.id)
  if clock and clock.mark == taken.mark then
    return resource, clock
  end
end

-- The step that a clock was taken for, if it still is. One that does not run is taken when a step
-- of it had been begun: its kind knows whether that is to be ended.
local function wanted_step(ctx, kind, clock)
  if clock.state == "running" or not kind.prepare then
    return due_step(ctx, clock, time.now_ms())
  end
  return (reckoning.next_step(kinds.steps(ctx, clock), clock.mark))
end

-- @return the step, or nil; what the kind made of it
local function prepare(ctx, kind, taken)
  local clock = store.get(ctx, taken.id)
  local step = clock and clock.mark == taken.mark and wanted_step(ctx, kind, clock) or nil
  return step, step and kind.prepare(ctx, clock, step)
end

-- @return how it ended, or nil when there was nothing to take
local function take(ctx, kind, taken)
  local wanted, prepared = nil, nil
  if kind.prepare then
    wanted, prepared = prepare(ctx, kind, taken)
  end
  return db.transaction(ctx, function(tx)
    local resource, clock = lock(tx, kind, taken)
    if not clock then
      return nil
    end
    local step = wanted
    if not kind.prepare then
      step = resource and due_step(tx, clock, time.now_ms())
    elseif wanted and not prepared then
      return stop(tx, clock)
    end
    clock.mark = step and step.mark or clock.mark
    if not resource or step and kind.take(tx, resource, clock, step, prepared) then
      stop(tx, clock)
    else
      save(tx, clock) -- without a step it was reckoned anew since it was taken
    end
    return step and "taken" or nil
  end)
end

--- Takes the next step of a clock, if it is due; joins the caller's transaction.
-- @return "taken", or nil
function M.take(ctx, clock)
  local kind = kinds.find(clock.kind)
  return kind and take(ctx, kind, clock)
end

-- Goes on after a step that failed for good.
local function give_up(ctx, kind, taken, problem)
  db.transaction(ctx, function(tx)
    local _, clock = lock(tx, kind, taken)
    local step = clock and wanted_step(tx, kind, clock)
    if step then
      clock.mark, clock.last_error = step.mark, problem
      save(tx, clock)
    end
  end)
end

local function failed(ctx, kind, taken, err)
  if errors.is(err) and err.postpone_ms then
    return due_store.postpone(ctx, taken, math.ceil(err.postpone_ms / 1000))
  end
  local problem = tostring(err):sub(1, ERROR_MAX)
  local fields = { clock = taken.id, kind = taken.kind, mark = taken.mark,
    attempt = taken.attempts, error = problem,
    traceback = type(err) == "table" and err.traceback or nil }
  if taken.attempts >= ATTEMPTS_MAX or errors.is(err) and err.permanent then
    log.error(ctx, "a step of a clock is given up", fields)
    give_up(ctx, kind, taken, problem)
    return "given_up"
  end
  log.warn(ctx, "a step of a clock failed, will be tried again", fields)
  due_store.put_off(ctx, taken, math.min(RETRY_MIN_S * 2 ^ taken.attempts, RETRY_MAX_S), problem)
  return "failed"
end

local function perform(taken)
  local kind = kinds.find(taken.kind)
  local tenant = registry.hooks.find_tenant(system(), taken.tenant_id)
  if not kind or not tenant then
    due_store.postpone(system(), taken, AWAY_S)
    return
  end
  local ctx = system(tenant)
  task.deadline(STEP_MS)
  local ok, outcome = xpcall(take, errors.capture, ctx, kind, taken)
  task.deadline(0)
  if not ok then
    outcome = failed(ctx, kind, taken, outcome)
  end
  if outcome then
    figures.count(outcome)
  end
end

local Driver = {}
Driver.__index = Driver

local function run_one(driver, lane, taken)
  local ok, err = xpcall(perform, errors.capture, taken)
  if not ok then -- its lease runs out and it is tried again
    log.error(nil, "a clock could not be put off", { clock = taken.id, error = tostring(err) })
  end
  driver.running[lane] = driver.running[lane] - 1
  driver.ended:notify()
  if driver.loop and driver.running[lane] <= AT_ONCE / 2 then -- some at once are cheaper to take
    driver.loop:wake()
  end
end

-- Takes what is due, as much as there is room for in each lane.
-- @return how many
local function turn(driver)
  local count = 0
  for lane, is_slow in pairs(LANES) do
    local room = AT_ONCE - driver.running[lane]
    local rows = room > 0 and db.transaction(system(), function(ctx)
      return due_store.take(ctx, kinds.slow(), is_slow, room, LEASE_S)
    end) or {}
    for _, taken in ipairs(rows) do
      driver.running[lane] = driver.running[lane] + 1
      task.spawn(run_one, driver, lane, taken)
    end
    count = count + #rows
  end
  return count
end

local function new()
  return setmetatable({ running = { quick = 0, slow = 0 }, ended = task.signal() }, Driver)
end

--- Takes all that is due now, and returns when it is done; for tests.
function M.run()
  local driver = new()
  repeat
    local count = turn(driver)
    while driver.running.quick + driver.running.slow > 0 do
      driver.ended:wait(STEP_MS)
    end
  until count == 0
end

--- Starts taking steps in this worker.
function M.start()
  local driver = new()
  driver.loop = background.start({ name = "clocks", every_ms = POLL_MS, step = function()
    turn(driver)
  end })
  return driver
end

--- Takes no more; what is under way ends by itself, or is tried again by others after its lease.
function Driver:stop()
  self.loop:stop()
end

return M
