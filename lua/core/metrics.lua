--- Numbers for operators, counted by all processes of a node together and told at /metrics.
--
-- A series is opened once (when a generation starts, or at its first use) and kept as a number;
-- counting is then one call without a lock. Names that end in _seconds or _seconds_total hold
-- durations in seconds. Labels are few and come from the code: never a tenant, a user or a path
-- that a client chose.

local host = require("host.metrics")

local M = {}

local ESCAPES = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

local function text_of(labels)
  local parts = {}
  for name, value in pairs(labels or {}) do
    parts[#parts + 1] = ('%s="%s"'):format(name, tostring(value):gsub('[\\"\n]', ESCAPES))
  end
  table.sort(parts)
  return table.concat(parts, ",")
end

--- Opens a series: finds it or makes it.
-- @param name such as "fixxit_reports_total"
-- @param help one sentence
-- @param labels {name = value} or nil
-- @return the series, for M.add, M.set, M.observe
function M.counter(name, help, labels)
  return host.open("counter", name, help, text_of(labels))
end

function M.gauge(name, help, labels)
  return host.open("gauge", name, help, text_of(labels))
end

--- Of durations.
function M.histogram(name, help, labels)
  return host.open("histogram", name, help, text_of(labels))
end

--- Adds n (1) to a counter or gauge: add(series, n|nil).
M.add = host.add

--- Sets a gauge: set(series, value).
M.set = host.set

--- Puts a duration into a histogram: observe(series, seconds, counter|nil). One call also adds 1
-- to a counter.
M.observe = host.observe

--- The sum of all series of this name: total(name).
M.total = host.total

--- All of them in the text format of Prometheus: text().
M.text = host.text

return M
