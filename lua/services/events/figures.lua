--- What operators want to know of the outbox: as metrics.

local context = require("core.context")
local metrics = require("core.metrics")
local time = require("core.time")
local store = require("services.events.store")

local M = {}

local KEEP_MS = 5000
local COUNTED_MAX = 10000

local asked_at -- monotonic

--- Sets the gauges, from the database every five seconds at most. Raises when that is away.
function M.collect()
  if asked_at and time.monotonic_ms() - asked_at < KEEP_MS then
    return
  end
  local backlog = store.find_backlog(context.system({ name = "events" }), COUNTED_MAX)
  metrics.set(metrics.gauge("fixxit_outbox_rows",
    "Events that the relay has not numbered, counted up to 10000."), backlog.rows_waiting)
  metrics.set(metrics.gauge("fixxit_outbox_oldest_seconds", "Age of the oldest of them."),
    math.max(backlog.oldest_s, 0))
  asked_at = time.monotonic_ms()
end

return M
