--- The audit trail: who changed what, written in the transaction of the change.

local json = require("core.json")
local uuid = require("core.uuid")
local store = require("services.audit.store")

local M = {}

local USER_AGENT_MAX = 300
local SECRETS = { "password", "secret", "token", "hash", "credential", "apikey", "recoverycode" }

local function is_secret(name)
  local plain = tostring(name):lower():gsub("[_%-]", "")
  for _, word in ipairs(SECRETS) do
    if plain:find(word, 1, true) then
      return true
    end
  end
  return false
end

--- A copy of a value without the fields whose names say that they are secret.
function M.without_secrets(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = json.is_array(value) and json.array({}) or {}
  for key, item in pairs(value) do
    if type(key) == "number" or not is_secret(key) then
      copy[key] = M.without_secrets(item)
    end
  end
  return copy
end

local function encode(values)
  return values ~= nil and json.encode(M.without_secrets(values)) or nil
end

--- Writes one row of the trail.
-- @param ctx a context with a transaction under way: the row commits with the change
-- @param entry action ("report.create"), resource_type, resource_id, old, new (tables or nil)
-- @usage audit.write(ctx, { action = "user.update", resource_type = "user", resource_id = id,
--   old = before, new = after })
function M.write(ctx, entry)
  assert(ctx.tx, "audit.write needs a transaction")
  local actor = ctx.actor
  store.insert(ctx, {
    id = uuid.v7(),
    tenant_id = ctx.tenant and ctx.tenant.id,
    user_id = actor.user_id,
    actor = actor.kind == "user" and "user" or actor.name or actor.kind,
    action = entry.action,
    resource_type = entry.resource_type,
    resource_id = entry.resource_id,
    old_values = encode(entry.old),
    new_values = encode(entry.new),
    ip_address = ctx.ip,
    user_agent = ctx.user_agent and ctx.user_agent:sub(1, USER_AGENT_MAX),
    request_id = ctx.request_id,
  })
end

return M
