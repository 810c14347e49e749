--- Sessions: families of refresh tokens, of which each is good for one use.

local config = require("core.config")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local uuid = require("core.uuid")
local audit = require("services.audit")
local devices = require("services.identity.devices")
local standing = require("services.identity.standing")
local store = require("services.identity.store")
local tokens = require("services.identity.tokens")

local M = {}

local USER_AGENT_MAX = 300

local function give_tokens(ctx, session, role)
  local refresh_ttl_s = config.get().auth.refresh_ttl_s
  local refresh, hash = tokens.secret()
  store.insert_refresh_token(ctx, hash, session.id, refresh_ttl_s)
  local access, expires_in = tokens.access(session, role)
  return { access = access, refresh = refresh, expires_in = expires_in,
    refresh_ttl_s = refresh_ttl_s }
end

--- Opens a session, in the caller's transaction.
-- @param who { user_id, tenant_id = or nil, role = or nil, csrf = for a cookie: true }
-- @return { access, refresh, expires_in, refresh_ttl_s, csrf = text or nil }
function M.open(ctx, who)
  local csrf, csrf_hash
  if who.csrf then
    csrf, csrf_hash = tokens.secret()
  end
  local session = { id = uuid.v7(), user_id = who.user_id, tenant_id = who.tenant_id }
  store.insert_session(ctx, {
    id = session.id,
    user_id = who.user_id,
    tenant_id = who.tenant_id,
    ip_address = ctx.ip,
    user_agent = ctx.user_agent and ctx.user_agent:sub(1, USER_AGENT_MAX),
    csrf_hash = csrf_hash,
    ttl_s = config.get().auth.refresh_ttl_s,
  })
  local pair = give_tokens(ctx, session, who.role)
  pair.csrf = csrf
  return pair
end

local function finish(ctx, session_id, user_id, reason)
  if store.end_session(ctx, session_id, reason) > 0 then
    standing.announce(ctx, { kind = "session.ended", user_id = user_id, session_id = session_id })
  end
end

--- Ends one session, in the caller's transaction.
function M.close(ctx, session_id, user_id)
  finish(ctx, session_id, user_id, "logout")
end

--- Ends all sessions of a user but `except_id`, in the caller's transaction.
function M.close_all(ctx, user_id, reason, except_id)
  for _, session in ipairs(store.lock_sessions_of(ctx, user_id)) do
    if session.id ~= except_id then
      finish(ctx, session.id, user_id, reason)
    end
  end
end

--- Ends all sessions of a user in one tenant, in the caller's transaction.
function M.close_in(ctx, user_id, tenant_id, reason)
  for _, session in ipairs(store.lock_sessions_in(ctx, user_id, tenant_id)) do
    finish(ctx, session.id, user_id, reason)
  end
end

--- Ends the session of a refresh token if it is this user's, in the caller's transaction.
function M.close_by_refresh(ctx, refresh, user_id)
  local row = store.lock_refresh_token(ctx, tokens.digest(refresh))
  if row and row.user_id == user_id then
    finish(ctx, row.session_id, user_id, "logout")
  end
end

--- The caller's sessions that have not ended, the latest used first.
function M.list(ctx)
  local list = json.array({})
  for i, row in ipairs(store.list_sessions(ctx, ctx.actor.user_id)) do
    list[i] = {
      id = row.id,
      device = devices.name(row.user_agent),
      userAgent = row.user_agent or json.null,
      ipAddress = row.ip_address or json.null,
      tenant = row.slug and { id = row.tenant_id, slug = row.slug, name = row.organization_name }
        or json.null,
      current = row.id == ctx.actor.session_id,
      createdAt = row.created_at,
      lastUsedAt = row.last_used_at,
      expiresAt = row.expires_at,
    }
  end
  return list
end

--- Ends one of the caller's sessions; 404 when there is none of this id.
function M.end_one(ctx, id)
  db.transaction(ctx, function(tx_ctx)
    if not store.lock_session_of(tx_ctx, ctx.actor.user_id, id) then
      errors.raise("NOT_FOUND", "There is no such session")
    end
    finish(tx_ctx, id, ctx.actor.user_id, "ended")
    audit.write(tx_ctx, { action = "auth.end_session", resource_type = "session",
      resource_id = id })
  end)
end

local function rotate(ctx, refresh, csrf)
  local hash = tokens.digest(refresh)
  local row = store.lock_refresh_token(ctx, hash)
  if not row or row.ended_at or row.left_s <= 0 then
    return errors.new("UNAUTHORIZED", "The refresh token is not valid")
  end
  if csrf ~= nil and (not csrf or row.csrf_hash ~= tokens.digest(csrf)) then
    return errors.new("FORBIDDEN", "The X-CSRF-Token header does not match the cookie")
  end
  if row.used_at then
    finish(ctx, row.session_id, row.user_id, "reuse")
    local tenant = row.tenant_id and { id = row.tenant_id } or nil
    audit.write(ctx:with({ tenant = tenant }), { action = "auth.reuse", resource_type = "session",
      resource_id = row.session_id })
    return errors.new("TOKEN_REUSED", "The refresh token was used before: sign in again")
  end
  local user = store.find_standing(ctx, row.session_id)
  if not standing.may_act(user) then
    return errors.new("UNAUTHORIZED", "The account may not sign in")
  end
  local session = { id = row.session_id, user_id = row.user_id, tenant_id = row.tenant_id }
  local pair = give_tokens(ctx, session, user.role)
  store.use_refresh_token(ctx, hash, session.id, pair.refresh_ttl_s)
  return nil, pair, session
end

--- Exchanges a refresh token for a new pair. One that was used before ends its session: 401.
-- @param csrf nil when the token did not come in a cookie; else the X-CSRF-Token header or false
-- @return the pair of M.open without csrf, the session {id, user_id, tenant_id}
function M.refresh(ctx, refresh, csrf)
  local pair, session
  -- The refusal is returned out of the transaction, not raised in it: ending the family commits.
  local refusal = db.transaction(ctx, function(tx_ctx)
    local problem
    problem, pair, session = rotate(tx_ctx, refresh, csrf)
    return problem
  end)
  if refusal then
    error(refusal, 0)
  end
  return pair, session
end

return M
