-- The state of what the service needs, for /system/health. Whoever asks gets states and times;
-- operators also what stands behind them.

local config = require("core.config")
local db = require("core.db")
local errors = require("core.errors")
local fs = require("core.fs")
local metrics = require("core.metrics")
local redis = require("core.redis")
local registry = require("core.registry")
local sys = require("core.sys")
local time = require("core.time")

local M = {}

local FREE_MIN_BYTES = 200 * 1048576 -- less, and the next uploads will fail

-- `check` returns a state and details, or raises.
local function timed(check)
  local started = time.monotonic_ms()
  local ok, state, details = pcall(check)
  local service = ok and details or {}
  service.status = ok and state or "down"
  service.responseTime = math.floor((time.monotonic_ms() - started) * 100 + 0.5) / 100
  return service
end

local function check_database()
  errors.check(db.ping())
  return "up", db.stats()
end

local function check_redis()
  errors.check(redis.call("PING"))
  return "up"
end

local function check_storage()
  local space = errors.check(fs.space(config.get().server.data .. "/files"))
  return space.free < FREE_MIN_BYTES and "full" or "up", { freeBytes = space.free,
    totalBytes = space.total }
end

local function without_details(services)
  local brief = {}
  for name, service in pairs(services) do
    brief[name] = { status = service.status, responseTime = service.responseTime }
  end
  return brief
end

local function overall(services)
  if services.database.status == "down" then
    return "down"
  end
  for _, service in pairs(services) do
    if service.status ~= "up" then
      return "degraded"
    end
  end
  return "ok"
end

--- Looks at everything.
-- @param detailed whether to tell more than states and times
-- @return {status = "ok"|"degraded"|"down", timestamp, uptime (s), services, metrics}
function M.examine(detailed)
  local services = {
    database = timed(check_database),
    redis = timed(check_redis),
    storage = timed(check_storage),
  }
  for _, hook in ipairs(registry.hooks.health or {}) do
    local name
    local service = timed(function()
      local state, details
      name, state, details = hook()
      return state, details
    end)
    if name then -- else it raised: the database's state tells of that
      services[name] = service
    end
  end
  return {
    status = overall(services),
    timestamp = time.now(),
    uptime = math.floor((time.monotonic_ms() - sys.shared_get("started_ms")) / 1000),
    services = detailed and services or without_details(services),
    metrics = {
      memoryUsage = metrics.total("fixxit_process_resident_bytes"),
      cpuUsage = metrics.total("fixxit_process_cpu_millicores") / 10,
      activeConnections = metrics.total("fixxit_http_connections")
        + metrics.total("fixxit_ws_connections"),
    },
  }
end

return M
