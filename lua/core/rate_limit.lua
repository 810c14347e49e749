-- How often a caller may ask. A route names its class; the counts are settings (config/default.lua)
-- and are kept in memory that all processes of a node share, and between nodes (rate_limit/nodes).
--
-- A class counts per address, or (class "standard") per user, API key or anonymous address within
-- the tenant, as many as the tenant's tier or its own api_limits allow. What has no limit
-- counts against "open", which only a flood reaches, so that every answer can tell where its
-- caller stands.
--
-- The outcome lies on the context as three fields: this runs for every request.

local config = require("core.config")
local errors = require("core.errors")
local metrics = require("core.metrics")
local nodes = require("core.rate_limit.nodes")

local M = {}

local MINUTE_MS = 60000

local CLASSES = {
  standard = {}, -- by tier
  open = { setting = "open_per_minute", period_ms = MINUTE_MS },
  login = { setting = "login_per_minute", period_ms = MINUTE_MS },
  register = { setting = "register_per_minute", period_ms = MINUTE_MS },
  forgot = { setting = "forgot_per_minute", period_ms = MINUTE_MS },
  workspace = { setting = "workspace_per_minute", period_ms = MINUTE_MS },
  refresh = { setting = "refresh_per_minute", period_ms = MINUTE_MS },
  -- Who is signed in reports under the standard class.
  report = { setting = "anonymous_report_per_minute", period_ms = MINUTE_MS,
    anonymous_only = true },
  wrong_key = { setting = "wrong_key_per_minute", period_ms = MINUTE_MS },
  frame = { setting = "frame_per_minute", period_ms = MINUTE_MS },
}

-- A tier that is not here has no limit.
local TIERS = {
  free = { setting = "free_per_window" },
  pro = { setting = "pro_per_window" },
}

-- Set by M.build: name -> {prefix, count, period_ms, refusals}.
local classes, tiers

-- tenant -> its own class, or false; a tenant that is read anew is another table.
local own = setmetatable({}, { __mode = "k" })

local function refusals(name)
  return metrics.counter("fixxit_rate_limit_refusals_total", "Requests refused with 429, by class.",
    { class = name })
end

local function build(specs)
  local settings = config.get().limits
  local built = {}
  for name, spec in pairs(specs) do
    built[name] = {
      prefix = name .. " ",
      count = spec.setting and settings[spec.setting] * settings.scale,
      period_ms = spec.period_ms or settings.window_ms,
      anonymous_only = spec.anonymous_only,
      refusals = refusals(name),
    }
  end
  return built
end

--- Reads the settings; gives each route its class.
function M.build(routes)
  classes, tiers = build(CLASSES), build(TIERS)
  nodes.build()
  for _, route in ipairs(routes) do
    route.rate_class = classes[route.rate] or error(("%s: %s: there is no rate class '%s'"):format(
      route.where, route.path, route.rate), 0)
  end
end

-- Somebody with an IPv6 connection has 2^64 addresses: they count as one.
local function network(ip)
  if not ip:find(":", 1, true) then
    return ip
  end
  local mapped = ip:match("^::[fF]+:(%d+%.%d+%.%d+%.%d+)$")
  if mapped then
    return mapped
  end
  local groups = {}
  local head, tail = ip:match("^(.-)::(.*)$")
  for group in (head or ip):gmatch("%x+") do
    groups[#groups + 1] = group
  end
  local _, behind = (tail or ""):gsub("%x+", "")
  for _ = #groups + 1, math.min(8 - behind, 4) do
    groups[#groups + 1] = "0"
  end
  for group in (tail or ""):gmatch("%x+") do
    groups[#groups + 1] = group
  end
  return table.concat(groups, ":", 1, 4)
end

local function take(ctx, class, who)
  local allowed, remaining, reset_ms, retry_ms = nodes.take(class, class.prefix .. who)
  ctx.rate_limit, ctx.rate_remaining, ctx.rate_reset_ms = class.count, remaining, reset_ms
  return allowed, retry_ms
end

local function take_or_raise(ctx, class, who)
  local allowed, retry_ms = take(ctx, class, who)
  if not allowed then
    metrics.add(class.refusals)
    local seconds = math.max(math.ceil(retry_ms / 1000), 1)
    errors.raise("RATE_LIMITED", ("Too many requests: try again in %d s"):format(seconds),
      { headers = { ["Retry-After"] = ("%d"):format(seconds) } })
  end
end

-- api_limits { requests = n, periodSeconds = s (900) }; 0 requests means no limit.
local function own_class(tenant)
  local class = own[tenant]
  if class == nil then
    local wanted = tenant.api_limits
    local requests = wanted and tonumber(wanted.requests)
    class = false
    if requests and requests >= 0 then
      local period_s = math.min(math.max(tonumber(wanted.periodSeconds) or 900, 1), 86400)
      local count = math.min(requests, 1000000) * config.get().limits.scale
      class = requests >= 1 and { prefix = "own ", count = count, period_ms = period_s * 1000,
        refusals = refusals("own") } or classes.open
    end
    own[tenant] = class
  end
  return class
end

--- Counts a request of a class that is per address; raises 429. Once the caller is known, before
-- anything of the request is read.
function M.enter(ctx, route)
  local class = route.rate_class
  if class.count and not (class.anonymous_only and ctx.actor.kind ~= "anonymous") then
    take_or_raise(ctx, class, network(ctx.ip))
  end
end

--- Counts what M.enter did not, once the tenant is known; raises 429.
function M.enter_tenant(ctx)
  if ctx.rate_limit then
    return
  end
  local tenant = ctx.tenant
  local class = tenant and (own_class(tenant) or tiers[tenant.tier]) or classes.open
  if class == classes.open then
    take_or_raise(ctx, class, network(ctx.ip))
  else
    take_or_raise(ctx, class, tenant.id .. " "
      .. (ctx.actor.key_id or ctx.actor.user_id or network(ctx.ip)))
  end
end

--- Counts what is no request of its own, such as a frame of a socket, per address; raises 429.
-- @param name a class that has a setting
function M.count(ctx, name)
  take_or_raise(ctx, classes[name], network(ctx.ip))
end

--- Where the caller stands, for the headers of every answer. What was refused before it reached its
-- class (no such route, no such session) is counted here.
-- @return limit, remaining, seconds until all are back
function M.standing(ctx)
  if not ctx.rate_limit then
    take(ctx, classes.open, network(ctx.ip))
  end
  return ctx.rate_limit, ctx.rate_remaining, math.ceil(ctx.rate_reset_ms / 1000)
end

--- The /64 network of an IPv6 address; an IPv4 address itself.
M.network = network

return M
