--- What operators want to know of the clocks.

local context = require("core.context")
local metrics = require("core.metrics")
local due_store = require("services.clocks.due_store")

local M = {}

--- Counts a step by how it ended: taken, failed (and tried again), given up.
function M.count(outcome)
  metrics.add(metrics.counter("fixxit_clock_steps_total", "Steps of clocks, by how they ended.",
    { outcome = outcome }))
end

--- Sets the gauges. Raises when the database is away.
function M.collect()
  local now = due_store.find_backlog(context.system({ name = "clocks" }))
  metrics.set(metrics.gauge("fixxit_clocks_due", "Clocks whose step waits to be taken."), now.due)
  metrics.set(metrics.gauge("fixxit_clocks_oldest_seconds",
    "For how long the oldest of them waits."), now.oldest_s)
end

return M
