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

-- What has a limit: its name, the field of a run that counts it, how many of that are one.
local USES = {
  { limit = "cpu_ms", field = "cpu_us", per = 1000, what = "cpu", unit = " ms" },
  { limit = "wall_ms", field = "wall_us", per = 1000, what = "wall", unit = " ms" },
  { limit = "calls", field = "calls", per = 1, what = "calls", unit = "" },
  { limit = "writes", field = "writes", per = 1, what = "writes", unit = "" },
}

local function warn_of(use, used, max, tried, warnings)
  if tried and used > tried then
    warnings[#warnings + 1] = ("%s %d%s is over %d%s, the limit that is tried"):format(use.what,
      used, use.unit, tried, use.unit)
    count_limit("fixxit_script_tried_limits_total",
      "Runs that a limit which is only tried would have ended.", use.what)
  end
  if max > 0 and used >= max * WARN_SHARE then
    warnings[#warnings + 1] = ("%s %d of %d%s"):format(use.what, used, max, use.unit)
  end
end

local function warn(run)
  local warnings, limits = json.array({}), run.limits
  for i = 1, #USES do
    local use = USES[i]
    warn_of(use, run[use.field] / use.per, limits[use.limit], limits.try[use.limit], warnings)
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
