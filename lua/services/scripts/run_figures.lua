--- What is counted of runs: metrics for operators, warnings for authors.

local json = require("core.json")
local metrics = require("core.metrics")

local M = {}

local WARN_SHARE = 0.8

local opened = {} -- "kind status" -> series

local function series(kind, status)
  local key = kind .. " " .. status
  if not opened[key] then
    opened[key] = {
      runs = metrics.counter("fixxit_script_runs_total",
        "Runs of tenants' scripts, by how they ended.", { kind = kind, status = status }),
      seconds = metrics.histogram("fixxit_script_run_seconds",
        "How long runs of tenants' scripts took.", { kind = kind }),
      cpu = metrics.counter("fixxit_script_cpu_milliseconds_total",
        "Milliseconds of CPU of tenants' scripts.", { kind = kind }),
      calls = metrics.counter("fixxit_script_calls_total", "What tenants' scripts asked for.",
        { kind = kind }),
    }
  end
  return opened[key]
end

local function count_limit(name, help, limit)
  metrics.add(metrics.counter(name, help, { limit = limit }))
end

-- {name, used, unit} of what has a limit.
local function uses(run)
  return {
    { "cpu_ms", run.cpu_us / 1000, " ms" },
    { "wall_ms", run.wall_us / 1000, " ms" },
    { "calls", run.calls, "" },
    { "writes", run.writes, "" },
  }
end

local function warn(run)
  local warnings = json.array({})
  for _, use in ipairs(uses(run)) do
    local name, used, unit = unpack(use)
    local max, tried = run.limits[name], run.limits.try[name]
    local what = name:gsub("_ms$", "")
    if tried and used > tried then
      warnings[#warnings + 1] = ("%s %d%s is over %d%s, the limit that is tried"):format(what, used,
        unit, tried, unit)
      count_limit("fixxit_script_tried_limits_total",
        "Runs that a limit which is only tried would have ended.", what)
    end
    if max > 0 and used >= max * WARN_SHARE then
      warnings[#warnings + 1] = ("%s %d of %d%s"):format(what, used, max, unit)
    end
  end
  return warnings
end

--- Counts a run that has ended, and notes its warnings.
function M.note(run)
  run.warnings = warn(run)
  if run.dry then
    return
  end
  local counted = series(run.hook.kind, run.status)
  metrics.observe(counted.seconds, run.wall_us / 1e6, counted.runs)
  metrics.add(counted.cpu, math.floor(run.cpu_us / 1000 + 0.5))
  metrics.add(counted.calls, run.calls)
  if run.error and run.error.code:find("^LIMIT_") then
    count_limit("fixxit_script_limits_total", "Runs that a limit ended.",
      run.error.code:gsub("^LIMIT_", ""):lower())
  end
end

return M
