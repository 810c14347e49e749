-- The framework's own routes: health, readiness, and the API's description.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local migrate = require("core.migrate")
local openapi = require("core.openapi")
local redis = require("core.redis")
local registry = require("core.registry")
local reply = require("core.reply")
local schema = require("core.schema")
local sys = require("core.sys")
local time = require("core.time")

local JSON_TYPE = "application/json; charset=utf-8"
local NO_STORE = { ["Content-Type"] = JSON_TYPE, ["Cache-Control"] = "no-store" }
local NOTHING = schema.object({})

local function get_health()
  return reply.raw(200, NO_STORE, json.encode({ status = "ok", timestamp = time.now() }))
end

local function answer_ready(status, body)
  return reply.raw(status, NO_STORE, json.encode(body))
end

-- Ready: the database answers and has the tables that this code expects.
local function get_ready(ctx)
  local ok, err = pcall(function()
    errors.check(db.ping())
    local pending = migrate.pending()
    if pending > 0 then
      errors.raise("SERVICE_UNAVAILABLE", pending .. " migrations are pending")
    end
    for _, check in ipairs(registry.hooks.ready or {}) do
      check(ctx)
    end
  end)
  if ok then
    return answer_ready(200, { status = "ready" })
  end
  local reason = errors.is(err) and err.message or "Internal error"
  return answer_ready(503, { status = "not ready", reason = reason })
end

local function timed(fn)
  local started = time.monotonic_ms()
  local value, err = fn()
  local ms = math.floor((time.monotonic_ms() - started) * 100 + 0.5) / 100
  return value ~= nil and err == nil, ms
end

local function database_state()
  local ok, ms = timed(db.ping)
  return { status = ok and "up" or "down", responseTime = ms }
end

local function redis_state()
  local ok, ms = timed(function()
    return redis.call("PING")
  end)
  return { status = ok and "up" or "down", responseTime = ms }
end

local function get_system_health()
  local database, cache = database_state(), redis_state()
  local status = database.status == "down" and "down" or cache.status == "down" and "degraded"
    or "ok"
  return reply.with_status(status == "down" and 503 or 200, {
    status = status,
    timestamp = time.now(),
    uptime = math.floor((time.now_ms() - sys.shared_get("started_ms")) / 1000),
    services = { database = database, redis = cache },
  }, { headers = { ["Cache-Control"] = "no-store" } })
end

local function get_openapi()
  local text, etag = openapi.document()
  local answer = reply.raw(200, { ["Content-Type"] = JSON_TYPE }, text)
  answer.etag = etag
  return answer
end

local function route(path, base, summary, handler, answers)
  return {
    method = "GET", path = path, base = base, summary = summary, permission = "public",
    rate = "open", authenticate = false, tenant = false, query = base ~= "" and NOTHING or nil,
    answers = answers, handler = handler,
  }
end

return {
  route("/health", "", "Whether the process lives.", get_health),
  route("/health", nil, "Whether the process lives.", get_health),
  route("/ready", "", "Whether requests can be served: the database answers and is migrated.",
    get_ready, { [503] = "not ready" }),
  route("/system/health", nil, "The state of what the service needs.", get_system_health,
    { [503] = "the database is down" }),
  route("/openapi.json", nil, "This description of the API.", get_openapi),
}
