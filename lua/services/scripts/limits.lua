--- How much a run may use. The numbers are settings (config/default.lua, section scripts); an
-- operator can set others for a tier, and try tighter ones that only warn.

local config = require("core.config")

local M = {}

--- What each kind of hook counts as.
M.CLASSES = {
  before = "hook", transition = "hook", template = "hook",
  route = "route",
  on = "event", every = "event", escalate = "event",
}

local PER_CLASS = { "cpu_ms", "wall_ms", "calls", "writes", "fetches", "fetches_at_once" }
local COMMON = { "input_max", "output_max", "log_max" }

-- {"event_cpu_ms=200", ...} -> {event_cpu_ms = 200}
local function read(list)
  local values = {}
  for _, entry in ipairs(list) do
    local name, value = entry:match("^([%l_]+)=(%d+)$")
    values[name or entry] = tonumber(value)
  end
  return values
end

local known = {} -- "tier class" -> limits

local function build(tier, class)
  local settings = config.get().scripts
  local own, tried = read(settings[tier] or {}), read(settings.try)
  local limits = { class = class, try = {} }
  for _, name in ipairs(PER_CLASS) do
    local key = class .. "_" .. name
    limits[name] = own[key] or settings[key]
    limits.try[name] = tried[key]
  end
  for _, name in ipairs(COMMON) do
    limits[name] = own[name] or settings[name]
  end
  return limits
end

--- The limits of a kind of hook for a tenant: {class, cpu_ms, wall_ms, calls, writes, fetches,
-- fetches_at_once (of the tenant in a worker), input_max, output_max, log_max, try = the same names
-- where tighter ones are tried}.
function M.of(tenant, kind)
  local class = M.CLASSES[kind]
  local key = (tenant.tier or "") .. " " .. class
  if not known[key] then
    known[key] = build(tenant.tier, class)
  end
  return known[key]
end

return M
