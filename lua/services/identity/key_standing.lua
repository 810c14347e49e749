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
local roles = require("services.identity.roles")
local standing = require("services.identity.standing")
local store = require("services.identity.api_keys_store")
local tenants = require("services.identity.tenants")
local tokens = require("services.identity.tokens")
local view = require("services.identity.view")

local M = {}

local FORM, KEY_MAX = "^fxk_[%w_-]+$", 100
local NOTE_MS = 60000 -- between two notes of when a key was used
local NOTED_MAX = 10000

local noted, noted_count = {}, 0 -- key id -> when its use was noted last

local function read(ctx, hash)
  local row = store.find_standing(ctx, hash)
  if not row or row.status ~= "active" or row.deleted_at or not row.member then
    return nil
  end
  local owned, permissions = roles.effective(row), {}
  for _, scope in ipairs(json.decode(row.scopes)) do
    permissions[scope] = owned[scope]
  end
  local allowed = json.decode(row.ip_allow_list)
  for i, network in ipairs(allowed) do
    allowed[i] = networks.parse(network)
  end
  return {
    key_id = row.id,
    user_id = row.user_id,
    tenant_id = row.tenant_id,
    email = row.email,
    name = view.full_name(row),
    role = row.role,
    permissions = permissions,
    networks = #allowed > 0 and allowed or nil,
    until_ms = row.left_ms and time.monotonic_ms() + row.left_ms,
  }
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
  return {
    kind = "key",
    key_id = found.key_id,
    user_id = found.user_id,
    email = found.email,
    name = found.name,
    role = found.role,
    permissions = found.permissions,
    platform_admin = false,
  }, tenant
end

return M
