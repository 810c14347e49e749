-- Counts the answers by route, method and class of status, and how long they took.

local metrics = require("core.metrics")

local M = {}

local TOTAL, TOTAL_HELP = "fixxit_http_requests_total", "Requests answered."
local TIME, TIME_HELP = "fixxit_http_request_seconds", "Time from head to answer, by route."
local SWITCHED = 101 -- a WebSocket: its handler answered itself

-- What no route answers: pages, and paths that lead nowhere.
local other

local function new_entry(labels)
  return { labels = labels, time = metrics.histogram(TIME, TIME_HELP, labels), by_class = {} }
end

local function counter(entry, class)
  local series = metrics.counter(TOTAL, TOTAL_HELP, {
    route = entry.labels.route, method = entry.labels.method, status = class .. "xx",
  })
  entry.by_class[class] = series
  return series
end

--- Opens the series of the registry's routes.
function M.build(routes)
  for _, route in ipairs(routes) do
    route.metrics = new_entry({ route = route.base .. route.path, method = route.method })
  end
  other = new_entry({ route = "other", method = "any" })
end

--- Counts a request that was answered.
-- @param ctx with the route (or none) and the status
-- @param ms since its head was there
function M.count(ctx, ms)
  local entry = ctx.route and ctx.route.metrics or other
  local class = math.floor((ctx.status or SWITCHED) / 100)
  metrics.observe(entry.time, ms / 1000, entry.by_class[class] or counter(entry, class))
end

return M
