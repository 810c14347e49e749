-- Structured log lines. The context adds who and which request; personal data and secrets are
-- masked here, so that no caller can forget it.

local host = require("host.log")
local json = require("host.json")

local M = {}

-- Field names whose values never reach a log, whatever they hold.
local SECRET = {
  "password", "token", "secret", "authorization", "cookie", "email", "phone", "apikey", "api_key",
}
local secret_names = {} -- name -> boolean, filled as names are met

local function is_secret(name)
  local known = secret_names[name]
  if known == nil then
    local lower = name:lower()
    known = false
    for _, word in ipairs(SECRET) do
      known = known or lower:find(word, 1, true) ~= nil
    end
    secret_names[name] = known
  end
  return known
end

local function masked(fields)
  local copy = {}
  for name, value in pairs(fields) do
    if type(name) ~= "string" then
      copy[#copy + 1] = type(value) == "table" and masked(value) or value
    elseif is_secret(name) then
      copy[name] = "***"
    elseif type(value) == "table" then
      copy[name] = masked(value)
    elseif type(value) == "function" or type(value) == "userdata" and value ~= json.null then
      copy[name] = tostring(value)
    else
      copy[name] = value
    end
  end
  return copy
end

-- The inside of a JSON object, or nil when there is nothing to say.
local function encoded(ctx, fields)
  local line = fields and masked(fields) or {}
  if ctx then
    line.requestId = ctx.request_id
    line.traceId = ctx.trace_id
    line.tenantId = ctx.tenant and ctx.tenant.id
    line.userId = ctx.actor and ctx.actor.user_id
  end
  local ok, text = pcall(json.encode, line)
  return ok and text ~= "{}" and text:sub(2, -2) or nil
end

local function write(level, ctx, message, fields)
  if host.enabled(level) then
    host.write(level, message, encoded(ctx, fields))
  end
end

--- Writes one line. `ctx` may be nil, `fields` is an optional flat table.
function M.debug(ctx, message, fields)
  write("debug", ctx, message, fields)
end

function M.info(ctx, message, fields)
  write("info", ctx, message, fields)
end

function M.warn(ctx, message, fields)
  write("warn", ctx, message, fields)
end

function M.error(ctx, message, fields)
  write("error", ctx, message, fields)
end

--- Whether lines of this level are written: to save the work of preparing one.
M.enabled = host.enabled

return M
