--- What operators want to know of the queue: as metrics, and as a part of the health.

local context = require("core.context")
local metrics = require("core.metrics")
local time = require("core.time")
local store = require("services.jobs.store")

local M = {}

local KEEP_MS = 5000
local SLOW_S = 300 -- a due job that nobody took for so long: the workers do not keep up
local STATES = { "waiting", "running", "done", "dead" }

local known, known_at -- the last answer of the database, and when (monotonic)

-- {waiting=, running=, done=, dead=, due=, oldest_s=}, asked every five seconds at most.
local function figures()
  if known_at and time.monotonic_ms() - known_at < KEEP_MS then
    return known
  end
  local ctx = context.system({ name = "jobs" })
  local answer = store.find_backlog(ctx)
  for _, state in ipairs(STATES) do
    answer[state] = 0
  end
  for _, row in ipairs(store.count_by_state(ctx)) do
    answer[row.state] = row.jobs
  end
  known, known_at = answer, time.monotonic_ms()
  return answer
end

--- Sets the gauges. Raises when the database is away.
function M.collect()
  local now = figures()
  for _, state in ipairs(STATES) do
    metrics.set(metrics.gauge("fixxit_jobs", "Jobs, by state.", { state = state }), now[state])
  end
  metrics.set(metrics.gauge("fixxit_jobs_due", "Jobs that wait although their time has come."),
    now.due)
  metrics.set(metrics.gauge("fixxit_jobs_oldest_seconds",
    "For how long the oldest of them is due."), now.oldest_s)
end

--- @return the name of the service, its state, what only operators see
function M.health()
  local now = figures()
  return "queue", now.oldest_s > SLOW_S and "slow" or "up",
    { waiting = now.waiting, running = now.running, dead = now.dead, oldestSeconds = now.oldest_s }
end

return M
