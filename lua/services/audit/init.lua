--- The audit trail: who changed what, written in the transaction of the change.

local json = require("core.json")
local paging = require("core.paging")
local uuid = require("core.uuid")
local personal = require("services.audit.personal")
local store = require("services.audit.store")

local M = {}

local USER_AGENT_MAX = 300
local SECRETS = { "password", "secret", "token", "hash", "credential", "apikey", "recoverycode" }

local KNOWN_MAX = 2000

local known, known_count = {}, 0 -- name -> whether it says secret

local function says_secret(name)
  local plain = tostring(name):lower():gsub("[_%-]", "")
  for _, word in ipairs(SECRETS) do
    if plain:find(word, 1, true) then
      return true
    end
  end
  return false
end

local function is_secret(name)
  local answer = known[name]
  if answer == nil then
    answer = says_secret(name)
    if known_count >= KNOWN_MAX then
      known, known_count = {}, 0
    end
    known[name], known_count = answer, known_count + 1
  end
  return answer
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

local function holds_secret(value)
  for key, item in pairs(value) do
    if type(key) ~= "number" and is_secret(key) or type(item) == "table" and holds_secret(item) then
      return true
    end
  end
  return false
end

local function encode(ctx, values, person)
  if values == nil then
    return nil
  elseif person then
    return json.encode(personal.hide(ctx, person, M.without_secrets(values)))
  end
  return json.encode(holds_secret(values) and M.without_secrets(values) or values)
end

local function shown(ctx, text, person)
  local values = text and json.decode(text)
  return values and personal.show(ctx, person, values) or json.null
end

--- What an action did to these things of the tenant, oldest first: {id, new, created_at} each.
-- @param ids of things whose `new` holds nothing of a person
function M.list_done(ctx, resource_type, ids, action)
  local list = {}
  for i, row in ipairs(store.list_of_resources(ctx, resource_type, ids, action)) do
    list[i] = { id = row.resource_id, new = json.decode(row.new_values),
      created_at = row.created_at }
  end
  return list
end

--- Writes one row of the trail.
-- @param ctx a context with a transaction under way: the row commits with the change
-- @param entry action ("report.create"), resource_type, resource_id, old, new (tables or nil);
--   person = the user whose names, addresses and numbers are in old and new: they are encrypted
--   with that person's key. Without one, old and new may be json.raw of what holds no secrets
-- @usage audit.write(ctx, { action = "user.update", resource_type = "user", resource_id = id,
--   old = before, new = after })
function M.write(ctx, entry)
  assert(ctx.tx, "audit.write needs a transaction")
  local actor = ctx.actor
  store.insert(ctx, {
    id = uuid.v7(),
    tenant_id = ctx.tenant and ctx.tenant.id,
    user_id = actor.user_id,
    actor = actor.kind == "user" and "user" or actor.key_id and "key:" .. actor.key_id
      or actor.name or actor.kind,
    action = entry.action,
    resource_type = entry.resource_type,
    resource_id = entry.resource_id,
    old_values = encode(ctx, entry.old, entry.person),
    new_values = encode(ctx, entry.new, entry.person),
    ip_address = ctx.ip,
    user_agent = ctx.user_agent and ctx.user_agent:sub(1, USER_AGENT_MAX),
    request_id = ctx.request_id,
  })
end

local function entry_for(ctx, user_id, row)
  local is_own = row.resource_type == "user" and row.resource_id == user_id
  return {
    id = row.id,
    action = row.action,
    resourceType = row.resource_type,
    resourceId = row.resource_id or json.null,
    tenantId = row.tenant_id or json.null,
    old = is_own and shown(ctx, row.old_values, user_id) or nil,
    new = is_own and shown(ctx, row.new_values, user_id) or nil,
    ipAddress = row.ip_address or json.null,
    userAgent = row.user_agent or json.null,
    createdAt = row.created_at,
  }
end

--- What a user did, for that user: one page, newest first. Old and new values are shown where they
-- are about the user's own account.
-- @param query those of core.paging
-- @return entries, meta
function M.list_of(ctx, user_id, query)
  local page = paging.read(ctx, query,
    { columns = { createdAt = "a.created_at" }, id = "a.id", default = "-createdAt" })
  local rows = store.list_of(ctx, user_id, page)
  local meta = paging.meta(page, rows, page.page and store.count_of(ctx, user_id) or nil)
  local list = json.array({})
  for i, row in ipairs(rows) do
    list[i] = entry_for(ctx, user_id, row)
  end
  return list, meta
end

return M
