--- Who an API key speaks for, right now: its owner, as far as its scopes and the owner's present
-- permissions both reach. Kept like the standing of a session.

local context = require("core.context")
local errors = require("core.errors")
local json = require("core.json")
local log = require("core.log")
local networks = require("core.networks")
local rate_limit = require("core.rate_limit")
local task = require("core.task")
local time = require("core.time")
local standing = require("services.identity.standing")
local store = require("services.identity.api_keys_store")
local tenants = require("services.identity.tenants")
local tokens = require("services.identity.tokens")

local M = {}

local FORM, KEY_MAX = "^fxk_[%w_-]+$", 100
local NOTE_MS = 60000 -- between two notes of when a key was used
local NOTED_MAX = 10000

local noted, noted_count = {}, 0 -- key id -> when its use was noted last

local function read(ctx, hash)
  local row = store.find_standing(ctx, hash)
  if not row or not standing.may_act(row) then
    return nil
  end
  local key, permissions = standing.person(row), {}
  for _, scope in ipairs(json.decode(row.scopes)) do
    permissions[scope] = key.permissions[scope]
  end
  local allowed = json.decode(row.ip_allow_list)
  for i, network in ipairs(allowed) do
    allowed[i] = networks.parse(network)
  end
  key.key_id, key.permissions = row.id, permissions
  key.networks = #allowed > 0 and allowed or nil
  key.until_ms = row.left_ms and time.monotonic_ms() + row.left_ms
  return key
end

-- Outside of the request: it has its answer already, or soon.
local function note(key_id)
  local ctx = context.system({ name = "api keys" })
  local ok, err = pcall(store.touch, ctx, key_id, NOTE_MS / 1000)
  if not ok then
    log.warn(ctx, "the use of an API key was not noted", { cause = tostring(err) })
  end
end

local function note_use(key_id)
  local now = time.monotonic_ms()
  if noted[key_id] and now - noted[key_id] < NOTE_MS then
    return
  end
  if noted_count >= NOTED_MAX then
    noted, noted_count = {}, 0
  end
  noted_count = noted_count + (noted[key_id] and 0 or 1)
  noted[key_id] = now
  task.spawn(note, key_id)
end

local function refuse(ctx)
  rate_limit.count(ctx, "wrong_key")
  errors.raise("UNAUTHORIZED", "The API key is not valid")
end

--- The actor and the tenant of an API key; raises 401, 403 from where it may not be used, 429 for
-- too many wrong ones.
function M.of_key(ctx, key)
  if #key > KEY_MAX or not key:find(FORM) then
    refuse(ctx)
  end
  local found = standing.find(ctx, tokens.digest(key), read)
  local tenant = found and tenants.find(ctx, found.tenant_id)
  if not tenant or found.until_ms and found.until_ms <= time.monotonic_ms() then
    refuse(ctx)
  end
  if found.networks and not networks.contain(found.networks, ctx.ip) then
    errors.raise("FORBIDDEN", "This API key may not be used from here")
  end
  note_use(found.key_id)
  return standing.actor("key", found), tenant
end

return M
