--- Runs the queue in a job worker: takes what is due, runs each job as a task of its own, keeps
-- its lock alive meanwhile, and writes down how it ended.
--
-- A worker that is stopped ends the jobs that do not end by themselves and gives them back. One
-- that dies leaves its jobs locked for LOCK_S; then any other takes them over. So a handler can
-- run twice: one that reaches outside uses job.id as its idempotency key. An error with postpone_ms
-- puts a job off that could not begin: no attempt was made. One with `theirs` is a mistake of a
-- tenant's, of which the tenant is told: no operator need hear of it.
--
-- Queues named "family.something" may have limits (registry.queues): jobs that wait for others keep
-- a share of the worker only, and one that is full does not hold up its neighbours.

local background = require("core.background")
local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local log = require("core.log")
local registry = require("core.registry")
local sys = require("core.sys")
local task = require("core.task")
local trace = require("core.trace")
local uuid = require("core.uuid")
local store = require("services.jobs.store")

local M = {}

local LOCK_S = 60
local KEEP_MS = 20000
local POLL_MS = 1000
local RECOVER_MS = 10000
local UNKNOWN_DELAY_S = 15
local CONCURRENCY = 8
local GIVE_BACK_MS = 1500 -- of the time that a stop leaves
local TIMEOUT_MS = 30000
local MAX_ATTEMPTS = 8
local BACKOFF_MIN_MS, BACKOFF_MAX_MS = 2000, 3600000
local ERROR_MAX = 2000

local Runner = {}
Runner.__index = Runner

--- How long to wait before the next attempt: doubling from 2 s to 1 h, with jitter, or the
-- handler's own list of pauses.
function M.backoff_ms(attempts, pauses)
  if pauses then
    return pauses[math.min(attempts, #pauses)]
  end
  local base = math.min(BACKOFF_MIN_MS * 2 ^ (attempts - 1), BACKOFF_MAX_MS)
  return math.floor(base * (0.75 + math.random() / 2))
end

local function system(job)
  return context.system({ name = "jobs", request_id = job and job.request_id,
    trace = job and job.trace })
end

local function job_context(job)
  local tenant = job.tenant_id and registry.hooks.find_tenant(system(job), job.tenant_id)
  if job.tenant_id and not tenant then
    local gone = errors.new("GONE", "the job's tenant is gone")
    gone.permanent = true
    error(gone, 0)
  end
  return context.system({ tenant = tenant, request_id = job.request_id, trace = job.trace,
    name = "job:" .. job.name })
end

-- What a handler gets as its third argument.
local function handle_of(job)
  return {
    id = job.id,
    attempt = job.attempts,
    progress = function(_, value)
      store.set_progress(system(job), job, json.encode(value))
    end,
  }
end

-- Extends the lock until the job ends; `done` is notified then.
local function keep_alive(job, done)
  while not job.ended do
    local _, err = done:wait(KEEP_MS)
    if job.ended or (err and err.code ~= "TIMEOUT") then
      return
    end
    local ok, kept = pcall(store.keep, system(job), job, LOCK_S)
    if ok and not kept then
      log.warn(system(job), "job lock lost", { job = job.id, name = job.name })
      return
    end
  end
end

local function describe(problem)
  return tostring(problem):sub(1, ERROR_MAX)
end

local function settle(job, handler, ok, outcome)
  local ctx = system(job)
  if ok then
    return store.finish(ctx, job, outcome ~= nil and json.encode(outcome) or nil)
  end
  if errors.is(outcome) and outcome.postpone_ms then
    return store.give_back(ctx, job, outcome.postpone_ms / 1000)
  end
  local max = job.max_attempts or handler.max_attempts or MAX_ATTEMPTS
  local permanent = errors.is(outcome) and outcome.permanent
  local fields = { job = job.id, name = job.name, attempt = job.attempts,
    error = describe(outcome), traceback = type(outcome) == "table" and outcome.traceback }
  local is_theirs = errors.is(outcome) and outcome.theirs
  if permanent or job.attempts >= max then
    log[is_theirs and "info" or "error"](ctx, "job is dead", fields)
    return store.bury(ctx, job, fields.error)
  end
  log[is_theirs and "info" or "warn"](ctx, "job failed, will be tried again", fields)
  store.retry(ctx, job, fields.error, M.backoff_ms(job.attempts, handler.backoff_ms))
end

local function family_of(queue)
  return queue:match("^[^.]+")
end

-- Counts a job that is taken (1) or has ended (-1), by its queue and the family of that.
local function occupy(runner, job, change)
  local counts, family = runner.counts, family_of(job.queue)
  counts[job.queue] = (counts[job.queue] or 0) + change
  if family ~= job.queue then
    counts[family] = (counts[family] or 0) + change
  end
end

local function perform(runner, job)
  local handler = registry.jobs[job.name]
  local done = task.signal()
  job.thread = coroutine.running()
  runner.jobs[job] = true
  task.spawn(keep_alive, job, done)
  task.deadline(handler.timeout_ms or TIMEOUT_MS)
  local ok, outcome = xpcall(function()
    return handler.run(job_context(job), json.decode(job.payload), handle_of(job))
  end, errors.capture)
  task.deadline(0)
  runner.jobs[job] = nil
  if not job.given_back then
    local written, problem = pcall(settle, job, handler, ok, outcome)
    if not written then -- the lock runs out and another attempt follows
      log.error(system(job), "the end of a job could not be written",
        { job = job.id, name = job.name, error = describe(problem) })
    end
  end
  job.ended = true
  done:notify()
  runner.ended:notify()
  runner.running = runner.running - 1
  occupy(runner, job, -1)
  runner.loop:wake()
end

local function room_in(runner, queue, room)
  local family = family_of(queue)
  local limits = registry.queues[family]
  if not limits then
    return room
  end
  return math.min(room, limits.max - (runner.counts[family] or 0),
    limits.each - (runner.counts[queue] or 0))
end

-- Most urgent first; among equals by chance, so that no queue is always the last.
local function by_urgency(due)
  for _, group in ipairs(due) do
    group.chance = math.random()
  end
  table.sort(due, function(a, b)
    if a.priority ~= b.priority then
      return a.priority < b.priority
    end
    return a.chance < b.chance
  end)
  return due
end

-- Takes due jobs, as many as there is room for; also returns the time until the next one is due.
local function claim(runner)
  local taken, next_ms = {}, nil
  for _, group in ipairs(by_urgency(store.find_due(system()))) do
    local room = room_in(runner, group.queue, CONCURRENCY - runner.running - #taken)
    if group.due_ms > 0 then
      next_ms = math.min(next_ms or group.due_ms, group.due_ms)
    elseif room > 0 then
      local jobs = db.transaction(system(), function(ctx)
        local rows = store.lock_due(ctx, group.queue, group.priority, room)
        for _, job in ipairs(rows) do
          store.start(ctx, job.id, runner.holder, LOCK_S)
        end
        return rows
      end)
      for _, job in ipairs(jobs) do
        job.attempts = job.attempts + 1
        job.trace = trace.read(job.traceparent)
        job.holder = runner.holder
        occupy(runner, job, 1)
        taken[#taken + 1] = job
      end
    end
  end
  return taken, next_ms
end

local function recover(runner)
  if sys.monotonic_ms() < runner.recover_at then
    return
  end
  runner.recover_at = sys.monotonic_ms() + RECOVER_MS
  local count = store.recover(system(), MAX_ATTEMPTS, LOCK_S)
  if count > 0 then
    log.warn(nil, "jobs of a lost worker recovered", { jobs = count })
  end
end

local function turn(runner)
  recover(runner)
  if runner.running >= CONCURRENCY then
    return POLL_MS
  end
  local jobs, next_ms = claim(runner)
  for _, job in ipairs(jobs) do
    if not runner.stopped and registry.jobs[job.name] then
      runner.running = runner.running + 1
      task.spawn(perform, runner, job)
    else
      occupy(runner, job, -1)
      store.give_back(system(job), job, runner.stopped and 0 or UNKNOWN_DELAY_S)
    end
  end
  if #jobs > 0 then
    return runner.running < CONCURRENCY
  end
  return math.max(10, math.min(next_ms or POLL_MS, POLL_MS))
end

-- Jobs that have not ended when the time is nearly over are cancelled, and only then free for
-- others.
local function give_back_rest(runner, grace_ms)
  local deadline = sys.monotonic_ms() + math.max(grace_ms - GIVE_BACK_MS, grace_ms / 2)
  while next(runner.jobs) and sys.monotonic_ms() < deadline do
    local _, err = runner.ended:wait(math.max(deadline - sys.monotonic_ms(), 1))
    if err and err.code ~= "TIMEOUT" then
      return
    end
  end
  local rest = {}
  for job in pairs(runner.jobs) do
    job.given_back = true
    rest[#rest + 1] = job
  end
  for _, job in ipairs(rest) do
    task.cancel(job.thread)
    store.give_back(system(job), job, 0)
    log.info(system(job), "job given back", { job = job.id, name = job.name })
  end
end

--- Starts taking jobs.
function M.start()
  local runner = setmetatable({
    running = 0,
    jobs = {}, -- set of those whose handlers run
    counts = {}, -- queue, or family of queues -> how many of them are taken
    ended = task.signal(), -- one of them has
    stopped = false,
    recover_at = 0,
    holder = ("%s:%d:%s"):format(sys.hostname(), sys.pid(), uuid.v7()):sub(1, 120),
  }, Runner)
  runner.loop = background.start({
    name = "jobs",
    channel = "jobs",
    every_ms = POLL_MS,
    step = function()
      return turn(runner)
    end,
  })
  return runner
end

--- Takes no more. Jobs under way may end by themselves for most of `grace_ms`; then they are
-- cancelled and wait again, as if they had not been taken. Does not wait.
function Runner:stop(grace_ms)
  self.stopped = true
  self.loop:stop()
  task.spawn(give_back_rest, self, grace_ms)
end

return M
