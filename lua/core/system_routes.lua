-- The framework's own routes: health, readiness, metrics, and the API's description.

local config = require("core.config")
local crypto = require("core.crypto")
local db = require("core.db")
local errors = require("core.errors")
local health = require("core.health")
local http = require("host.http")
local json = require("core.json")
local metrics = require("core.metrics")
local migrate = require("core.migrate")
local openapi = require("core.openapi")
local redis = require("core.redis")
local registry = require("core.registry")
local reply = require("core.reply")
local schema = require("core.schema")
local time = require("core.time")

local JSON_TYPE = "application/json; charset=utf-8"
local NO_STORE = { ["Content-Type"] = JSON_TYPE, ["Cache-Control"] = "no-store" }
local NO_STORE_SEALED = http.headers(NO_STORE)
local NOT_READY = { ["Content-Type"] = JSON_TYPE, ["Cache-Control"] = "no-store",
  ["Retry-After"] = "1" }
local METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
local LOOPBACK = { ["127.0.0.1"] = true, ["::1"] = true, [""] = true } -- "": a Unix socket
local NOTHING = schema.object({})

local function state(...)
  return schema.object({ status = schema.enum({ ... }),
    timestamp = schema.string({ format = "date-time", optional = true }),
    reason = schema.string({ optional = true }) })
end

local ALIVE = { type = "application/json", schema = state("ok") }
local READY = { type = "application/json", schema = state("ready", "not ready") }
local TEXT = { type = "text/plain", schema = schema.string() }
local DOCUMENT = { type = "application/json", schema = schema.map() }
local HEALTH = schema.object({
  status = schema.enum({ "ok", "degraded", "down" }),
  timestamp = schema.string({ format = "date-time" }),
  uptime = schema.number({ describe = "seconds" }),
  services = schema.map({ describe = "name: {status, responseTime in ms}" }),
  metrics = schema.map({ describe = "memoryUsage, cpuUsage, activeConnections" }),
}, { name = "Health" })

-- Kept for its millisecond: under load many ask within one.
local alive, alive_at

local function get_health()
  local now = time.now_ms()
  if now ~= alive_at then
    alive = reply.raw(200, NO_STORE, json.encode({ status = "ok", timestamp = time.iso(now) }),
      NO_STORE_SEALED)
    alive_at = now
  end
  return alive
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
    return reply.raw(200, NO_STORE, json.encode({ status = "ready" }))
  end
  local reason = errors.is(err) and err.message or "Internal error"
  return reply.raw(503, NOT_READY, json.encode({ status = "not ready", reason = reason }))
end

local function get_system_health(ctx)
  local answer = health.examine(ctx:can("system.read") or ctx.actor.platform_admin)
  local is_down = answer.status == "down"
  return reply.with_status(is_down and 503 or 200, answer, { headers = {
    ["Cache-Control"] = "no-store", ["Retry-After"] = is_down and "1" or nil } })
end

-- With a token set, who has it; else who sits on this machine: what a proxy passes on comes from
-- elsewhere, whatever the peer's address is.
local function check_scraper(ctx)
  local token = config.get().metrics.token
  local req = ctx.req
  if token ~= "" then
    local given = (req:header("authorization") or ""):match("^[Bb]earer (.+)$")
    if not given or not crypto.equal(given, token) then
      errors.raise("UNAUTHORIZED", "Give the token of metrics.token")
    end
  elseif not LOOPBACK[ctx.ip] or req:header("x-forwarded-for") or req:header("forwarded") then
    errors.raise("FORBIDDEN", "Only this machine may ask; set metrics.token for others")
  end
end

-- The gauges that come from the database keep their last values while it is away.
local function get_metrics(ctx)
  check_scraper(ctx)
  local up = db.ping() ~= nil
  for _, collect in ipairs(up and registry.hooks.collect or {}) do
    pcall(collect)
  end
  metrics.set(metrics.gauge("fixxit_database_up", "Whether the database answered just now."),
    up and 1 or 0)
  metrics.set(metrics.gauge("fixxit_redis_up", "Whether Redis answered just now."),
    redis.call("PING") and 1 or 0)
  return reply.raw(200, { ["Content-Type"] = METRICS_TYPE, ["Cache-Control"] = "no-store" },
    metrics.text())
end

local function get_openapi()
  local text, etag = openapi.document()
  local answer = reply.raw(200, { ["Content-Type"] = JSON_TYPE }, text)
  answer.etag = etag
  return answer
end

local function route(path, base, summary, content, handler, answers, also)
  return {
    method = "GET", path = path, base = base, summary = summary, permission = "public",
    rate = "open", authenticate = false, tenant = false, query = base ~= "" and NOTHING or nil,
    answers = answers, content = content, also = also, handler = handler,
  }
end

return {
  route("/health", "", "Whether the process lives.", ALIVE, get_health),
  route("/health", nil, "Whether the process lives.", ALIVE, get_health),
  route("/ready", "", "Whether requests can be served: the database answers and is migrated.",
    READY, get_ready, { [503] = "not ready" }, 503),
  {
    method = "GET", path = "/system/health", permission = "public", rate = "open", tenant = false,
    summary = "The state of what the service needs; system.read shows more.", query = NOTHING,
    answers = { [503] = "the database is down" }, returns = HEALTH, also = 503,
    handler = get_system_health,
  },
  route("/metrics", "", "Counts and durations for Prometheus.", TEXT, get_metrics,
    { [401] = "not the token", [403] = "from elsewhere, and no token is set" }),
  {
    method = "GET", path = "/openapi.json", permission = "public", rate = "open",
    authenticate = false, tenant = false, query = NOTHING, summary = "This description of the API.",
    content = DOCUMENT, versioned = true, handler = get_openapi,
  },
}
