--- The durable queue: work that outlives the request that asked for it.

local background = require("core.background")
local context = require("core.context")
local db = require("core.db")
local json = require("core.json")
local registry = require("core.registry")
local sys = require("core.sys")
local time = require("core.time")
local trace = require("core.trace")
local uuid = require("core.uuid")
local figures = require("services.jobs.figures")
local runner = require("services.jobs.runner")
local store = require("services.jobs.store")

local M = {}

local PRIORITY = 5
local SCHEDULES_MS = 1000

M.hooks = { collect = figures.collect, health = figures.health }

local started = {} -- what start made and stop ends

local function ring()
  background.ring("jobs")
end

--- Puts a job into the queue, in the caller's transaction.
-- @param ctx a context with a transaction; its tenant is the job's
-- @param name of a handler in some jobs.lua
-- @param payload a table, given to the handler as it is
-- @param options unique (one such job waits or runs at a time), run_at (ISO text or ms),
--   priority (0 urgent to 9, default 5), queue, max_attempts
-- @return the job's id (of the one already there when `unique` names one), whether it is new
function M.enqueue(ctx, name, payload, options)
  assert(ctx.tx, "jobs.enqueue needs a transaction")
  options = options or {}
  local tenant_id = ctx.tenant and ctx.tenant.id or nil
  local job = {
    id = uuid.v7(),
    tenant_id = tenant_id,
    queue = options.queue or "default",
    name = name,
    payload = json.encode(payload or {}),
    priority = options.priority or PRIORITY,
    unique_key = options.unique and
      table.concat({ tenant_id or "-", name, options.unique }, ":") or nil,
    run_at = options.run_at and time.db(options.run_at) or nil,
    max_attempts = options.max_attempts,
    created_by = ctx.actor.user_id,
    request_id = ctx.request_id,
    traceparent = trace.parent(ctx),
  }
  if not store.insert(ctx, job) then
    local live = store.find_live(ctx, job.unique_key)
    return live and live.id, false
  end
  db.after_commit(ctx, ring)
  return job.id, true
end

--- A job by its id, or nil: {id, tenant_id, name, state, attempts, progress, result, ...}.
function M.find(ctx, id)
  return store.find(ctx, id)
end

--- How many jobs are in each state: {waiting=, running=, done=, dead=}.
function M.counts(ctx)
  local counts = { waiting = 0, running = 0, done = 0, dead = 0 }
  for _, row in ipairs(store.count_by_state(ctx)) do
    counts[row.state] = row.jobs
  end
  return counts
end

--- Gives a dead job, or all of them when `id` is nil, another try.
-- @return how many
function M.revive(ctx, id)
  return store.revive(ctx, id)
end

local function declare_schedules()
  local ctx = context.system({ name = "schedules" })
  for _, schedule in ipairs(registry.schedules) do
    store.put_schedule(ctx, {
      name = schedule.name,
      job = schedule.job,
      payload = json.encode(schedule.payload or {}),
      every_ms = schedule.every_ms,
    })
  end
end

local function run_schedules()
  if not started.declared then
    declare_schedules()
    started.declared = true
  end
  db.transaction(context.system({ name = "schedules" }), function(ctx)
    for _, schedule in ipairs(store.lock_due_schedules(ctx)) do
      M.enqueue(ctx, schedule.job, json.decode(schedule.payload),
        { unique = "schedule:" .. schedule.name })
      store.advance_schedule(ctx, schedule.name)
    end
  end)
end

function M.start()
  if sys.role() ~= "job" then
    return
  end
  started.runner = runner.start()
  started.schedules = background.start({
    name = "schedules",
    every_ms = SCHEDULES_MS,
    step = run_schedules,
  })
end

function M.stop(_, grace_ms)
  for _, name in ipairs({ "runner", "schedules" }) do
    if started[name] then
      started[name]:stop(grace_ms)
    end
  end
  started = {}
end

return M
