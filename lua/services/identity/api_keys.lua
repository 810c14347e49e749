--- API keys: made by people for programs, shown once. A key never reaches further than who made
-- it, and nobody gives one a permission that they do not have.

local crypto = require("core.crypto")
local db = require("core.db")
local errors = require("core.errors")
local etag = require("core.etag")
local json = require("core.json")
local networks = require("core.networks")
local paging = require("core.paging")
local time = require("core.time")
local uuid = require("core.uuid")
local audit = require("services.audit")
local people = require("services.identity.people")
local rights = require("services.identity.rights")
local roles = require("services.identity.roles")
local standing = require("services.identity.standing")
local store = require("services.identity.api_keys_store")
local tokens = require("services.identity.tokens")
local view = require("services.identity.view")

local M = {}

local PREFIX = "fxk_"
local VISIBLE_BYTES = 6 -- 8 characters
local KEYS_MAX = 200 -- of one tenant

--- What list() can sort by.
M.SORTS = { "name", "createdAt", "lastUsedAt" }

-- A key, its visible beginning, and what of it is stored.
local function generate()
  local prefix = PREFIX .. crypto.base64url(crypto.random(VISIBLE_BYTES))
  local key = prefix .. tokens.secret()
  return key, prefix, tokens.digest(key)
end

local function shown(row)
  return {
    id = row.id,
    name = row.name,
    prefix = row.prefix,
    scopes = json.raw(row.scopes),
    ipAllowList = json.raw(row.ip_allow_list),
    owner = { id = row.user_id, name = view.full_name(row) },
    expiresAt = row.expires_at or json.null,
    previousUntil = row.previous_until or json.null,
    lastUsedAt = row.last_used_at or json.null,
    createdAt = row.created_at,
  }
end

local function tagged(row)
  local key = shown(row)
  return key, etag.of(row.version, key)
end

local function told(row)
  return { name = row.name, prefix = row.prefix, scopes = json.raw(row.scopes),
    ipAllowList = json.raw(row.ip_allow_list), expiresAt = row.expires_at or json.null }
end

local function check_networks(list)
  local problems = {}
  for i, text in ipairs(list) do
    if not networks.parse(text) then
      problems[#problems + 1] = { field = ("ipAllowList[%d]"):format(i - 1), code = "format",
        message = "must be an address, or a network such as 192.0.2.0/24" }
    end
  end
  if #problems > 0 then
    errors.validation(problems)
  end
end

local function check_expiry(text)
  if text and time.parse(text) <= time.now_ms() then
    errors.validation({ { field = "expiresAt", code = "range",
      message = "must be in the future" } })
  end
end

local function announce(ctx, row)
  standing.announce(ctx, { kind = "key.changed", user_id = row.user_id,
    tenant_id = ctx.tenant.id })
end

-- Writes a change down. @return the key as it is now, as a row
local function finish(ctx, id, action, old)
  local row = store.find(ctx, id)
  audit.write(ctx, { action = action, resource_type = "api_key", resource_id = id,
    old = old and told(old), new = row and told(row) })
  announce(ctx, row or old)
  return row
end

--- One page of the tenant's keys. @return keys, meta
function M.list(ctx, query)
  local page = paging.read(ctx, query,
    { columns = store.SORTS, id = "k.id", default = "-createdAt" })
  local rows = store.list(ctx, page)
  local meta = paging.meta(page, rows, page.page and store.count(ctx) or nil)
  local list = json.array({})
  for i, row in ipairs(rows) do
    list[i] = shown(row)
  end
  return list, meta
end

--- Makes a key that acts for the caller.
-- @param input name, scopes, expiresAt, ipAllowList
-- @return what is shown of it, with `key`: nobody can read that again; its entity tag
function M.create(ctx, input)
  local set = rights.set_of(input.scopes, "scopes")
  rights.require_all(ctx, set, "give a key this")
  local allowed = json.array(input.ipAllowList or {})
  check_networks(allowed)
  check_expiry(input.expiresAt)
  local id, key, prefix, hash = uuid.v7(), generate()
  local row = db.transaction(ctx, function(tx_ctx)
    if store.count(tx_ctx) >= KEYS_MAX then
      errors.raise("CONFLICT", ("There are %d keys already"):format(KEYS_MAX))
    end
    store.insert(tx_ctx, { id = id, user_id = tx_ctx.actor.user_id, name = input.name,
      prefix = prefix, key_hash = hash, scopes = json.encode(roles.list(set)),
      ip_allow_list = json.encode(allowed), expires_at = time.db(input.expiresAt) })
    return finish(tx_ctx, id, "api_key.create")
  end)
  local answer, tag = tagged(row)
  answer.key = key
  return answer, tag
end

local function not_found()
  errors.raise("NOT_FOUND", "There is no such key")
end

--- A key of the tenant; 404 when there is none. @return what is shown of it, its entity tag
function M.get(ctx, id)
  return tagged(store.find(ctx, id) or not_found())
end

-- The locked row of a key, in the version that the request names, if it does.
local function lock(ctx, id)
  if not store.lock(ctx, id) then
    not_found()
  end
  local row = store.find(ctx, id)
  etag.require_version(etag.wanted_versions(ctx), row.version, "The key")
  return row
end

-- What a key gets anew must be the caller's to give, and its owner's to use.
local function check_scopes(ctx, row, set)
  local added = {}
  for permission in pairs(set) do
    added[permission] = true
  end
  for _, permission in ipairs(json.decode(row.scopes)) do
    added[permission] = nil
  end
  rights.require_all(ctx, added, "give a key this")
  local owner = people.find(ctx, row.user_id)
  for permission in pairs(added) do
    if not (owner and owner.permissions[permission]) then
      errors.validation({ { field = "scopes", code = "enum",
        message = "the key's owner does not have " .. permission } })
    end
  end
end

--- Changes a key. @param input name, scopes, expiresAt (null: none), ipAllowList; those given
-- @return as M.get
function M.update(ctx, id, input)
  local set = input.scopes and rights.set_of(input.scopes, "scopes")
  local expires_at = input.expiresAt ~= json.null and input.expiresAt or nil
  check_networks(input.ipAllowList or {})
  check_expiry(expires_at)
  return tagged(db.transaction(ctx, function(tx_ctx)
    local row = lock(tx_ctx, id)
    if set then
      check_scopes(tx_ctx, row, set)
    end
    if input.expiresAt == nil then
      expires_at = row.expires_at
    end
    store.update(tx_ctx, id, {
      name = input.name or row.name,
      scopes = set and json.encode(roles.list(set)) or row.scopes,
      ip_allow_list = input.ipAllowList and json.encode(json.array(input.ipAllowList))
        or row.ip_allow_list,
      expires_at = time.db(expires_at),
    })
    return finish(tx_ctx, id, "api_key.update", row)
  end))
end

--- Revokes a key: it is refused with the next request.
function M.revoke(ctx, id)
  db.transaction(ctx, function(tx_ctx)
    local row = lock(tx_ctx, id)
    store.revoke(tx_ctx, id)
    finish(tx_ctx, id, "api_key.revoke", row)
  end)
end

--- Exchanges a key for another one of the same rights; only its owner can, since it acts for them.
-- @param grace_hours how long the one of before still works
-- @return {id, key, prefix, previousUntil}, the key's entity tag
function M.rotate(ctx, id, grace_hours)
  local key, prefix, hash = generate()
  local row = db.transaction(ctx, function(tx_ctx)
    local before = lock(tx_ctx, id)
    if before.user_id ~= tx_ctx.actor.user_id then
      errors.raise("FORBIDDEN", "A key is rotated by its owner: it acts for them")
    end
    store.rotate(tx_ctx, id, { grace_hours = grace_hours, key_hash = hash, prefix = prefix })
    return finish(tx_ctx, id, "api_key.rotate", before)
  end)
  local shown_now, tag = tagged(row)
  return { id = id, key = key, prefix = prefix, previousUntil = shown_now.previousUntil }, tag
end

return M
