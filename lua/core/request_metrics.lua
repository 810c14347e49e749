-- Where answers are counted: by route, method and class of status, and how long they took.

local metrics = require("core.metrics")

local M = {}

local TOTAL, TOTAL_HELP = "fixxit_http_requests_total", "Requests answered."
local TIME, TIME_HELP = "fixxit_http_request_seconds", "Time from head to answer, by route."

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

--- The series of an answer: of its time, and of how many there were.
-- @param route nil when none answered
function M.series(route, status)
  local entry = route and route.metrics or other
  local class = math.floor(status / 100)
  return entry.time, entry.by_class[class] or counter(entry, class)
end

return M
