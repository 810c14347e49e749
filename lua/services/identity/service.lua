--- Signing up, in and out; the tokens of a session.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local uuid = require("core.uuid")
local audit = require("services.audit")
local credentials = require("services.identity.credentials")
local invitations = require("services.identity.invitations")
local lockout = require("services.identity.lockout")
local mfa = require("services.identity.mfa")
local names = require("services.identity.names")
local one_time = require("services.identity.one_time")
local passwords = require("services.identity.passwords")
local sessions = require("services.identity.sessions")
local store = require("services.identity.store")
local tenants = require("services.identity.tenants")
local verification = require("services.identity.verification")
local view = require("services.identity.view")

local M = {}

local MFA, MFA_TTL_S = "mfa", 300

-- The context of somebody who has just proved who they are.
local function as_user(ctx, user, tenant)
  local own = ctx:with({
    actor = { kind = "user", user_id = user.id, permissions = {}, name = view.full_name(user) },
  })
  own.tenant = tenant
  return own
end

local function answer(pair, user, membership, tenant)
  return {
    user = view.self(user, membership, tenant),
    accessToken = pair.access,
    refreshToken = pair.refresh,
    expiresIn = pair.expires_in,
  }, pair
end

-- Writes the sign-in down and gives tokens; in the caller's transaction.
local function sign_in(ctx, user, membership, tenant, options)
  local own = as_user(ctx, user, tenant)
  local pair = sessions.open(own, {
    user_id = user.id,
    tenant_id = tenant and tenant.id,
    role = membership and membership.role,
    csrf = options.cookie,
  })
  store.touch_login(own, user.id)
  audit.write(own, { action = options.action, resource_type = "user", resource_id = user.id,
    person = user.id, new = options.new })
  return pair
end

-- Makes the new account a member of the tenant that it named or was invited to; in the caller's
-- transaction.
local function join(ctx, row, tenant, invitation)
  if invitation then
    invitations.redeem(as_user(ctx, row, tenant), invitation, row)
  elseif tenant then
    store.insert_membership(ctx,
      { id = uuid.v7(), user_id = row.id, tenant_id = tenant.id, role = "public" })
  end
end

--- Makes an account; whoever names a tenant joins it with the role `public`, whoever was invited
-- with the role of the invitation.
-- @param input the body of POST /auth/register
-- @return the answer {user, accessToken, refreshToken, expiresIn}, the token pair
function M.register(ctx, input)
  local email = input.email:lower()
  local first_name, last_name = names.split(input)
  passwords.check(input.password, "password", { email, email:match("^[^@]+"), input.fullName,
    first_name .. last_name })
  local tenant, invitation = tenants.named(ctx, input), nil
  local row = {
    id = uuid.v7(),
    email = email,
    first_name = first_name,
    last_name = last_name,
    phone = input.phone,
    user_type = "public",
    employee_data = input.employee and json.encode(input.employee),
  }
  if store.find_user_by_email(ctx, email) then
    errors.raise("EMAIL_TAKEN", "There is an account with this address")
  end
  if input.inviteToken then
    invitation, tenant = invitations.find(ctx, input.inviteToken, email)
  end
  row.password_hash = passwords.hash(input.password)
  local membership
  local pair = db.transaction(ctx, function(tx_ctx)
    local ok, err = pcall(store.insert_user, tx_ctx, row)
    if not ok and errors.is(err, "CONFLICT") then
      errors.raise("EMAIL_TAKEN", "There is an account with this address")
    elseif not ok then
      error(err, 0)
    end
    if invitation then -- as it is now: it is good for one use
      invitation, tenant = invitations.find(tx_ctx, input.inviteToken, email, true)
    else
      verification.send(tx_ctx, row)
    end
    join(tx_ctx, row, tenant, invitation)
    membership = tenant and store.find_membership(tx_ctx, row.id, tenant.id)
    return sign_in(tx_ctx, row, membership, tenant, {
      action = "auth.register",
      new = { email = email, firstName = first_name, lastName = last_name,
        userType = row.user_type },
    })
  end)
  return answer(pair, store.find_user(ctx, row.id), membership, tenant)
end

-- The tenant to act in: the one that the request names if the user is a member, else the first.
local function choose_tenant(ctx, user)
  local named = tenants.named(ctx)
  local first
  for _, row in ipairs(store.list_tenants_of(ctx, user.id)) do
    first = first or row
    if named and row.id == named.id then
      return named
    end
  end
  if not first and store.is_barred(ctx, user.id) then
    errors.raise("FORBIDDEN", "The account is not active")
  end
  return first and tenants.find(ctx, first.id)
end

-- Opens the session of somebody who has proved all that their account asks for; in the caller's
-- transaction.
local function enter(ctx, user, tenant, membership, options)
  lockout.clear(ctx, user.email)
  if options.stronger_hash then
    store.set_password(ctx, user.id, options.stronger_hash)
  end
  return sign_in(ctx, user, membership, tenant, { action = "auth.login", cookie = options.cookie,
    new = options.by and { by = options.by } })
end

local function ask_for_code(ctx, user, tenant)
  local token = db.transaction(ctx, function(tx_ctx)
    return one_time.issue(tx_ctx, MFA, user.id, MFA_TTL_S, { tenantId = tenant and tenant.id })
  end)
  errors.raise("MFA_REQUIRED", "Give the code of your authenticator app, or a recovery code",
    { fields = { mfaToken = token } })
end

--- Signs in with an address and a password, and a code where the account asks for one: without it
-- 401 MFA_REQUIRED, with a token to give to M.verify_factor.
-- @param input the body of POST /auth/login
-- @param options cookie = true when the refresh token goes into a cookie
-- @return the answer, the token pair
function M.login(ctx, input, options)
  local user = credentials.prove(ctx, input.email:lower(), input.password)
  local tenant = choose_tenant(ctx, user)
  local membership = tenant and store.find_membership(ctx, user.id, tenant.id)
  if user.mfa_enabled and not input.mfaCode then
    ask_for_code(ctx, user, tenant)
  end
  local with = {
    cookie = options.cookie,
    stronger_hash = passwords.is_weak(user.password_hash) and passwords.hash(input.password),
    by = user.mfa_enabled and "code" or nil,
  }
  local function open(tx_ctx)
    return enter(tx_ctx, user, tenant, membership, with)
  end
  local pair = user.mfa_enabled and mfa.prove(ctx, user, { code = input.mfaCode }, open)
    or db.transaction(ctx, open)
  return answer(pair, user, membership, tenant)
end

--- The second step of M.login.
-- @param input mfaToken, and code or recoveryCode
-- @return as M.login
function M.verify_factor(ctx, input, options)
  local token = one_time.find(ctx, MFA, input.mfaToken)
  local user = store.find_user(ctx, token.user_id)
  if not user or user.status ~= "active" then
    errors.raise("FORBIDDEN", "The account is not active")
  end
  local tenant = token.data.tenantId and tenants.find(ctx, token.data.tenantId)
  local membership = tenant and store.find_membership(ctx, user.id, tenant.id)
  if not membership then
    tenant = nil
  end
  local pair = mfa.prove(ctx, user, input, function(tx_ctx)
    one_time.redeem(tx_ctx, MFA, input.mfaToken)
    return enter(tx_ctx, user, tenant, membership,
      { cookie = options.cookie, by = input.recoveryCode and "recovery code" or "code" })
  end)
  return answer(pair, user, membership, tenant)
end

--- Exchanges a refresh token for a new pair; see sessions.refresh.
function M.refresh(ctx, refresh, csrf)
  local pair, session = sessions.refresh(ctx, refresh, csrf)
  local user = store.find_user(ctx, session.user_id)
  local tenant = session.tenant_id and tenants.find(ctx, session.tenant_id)
  local membership = tenant and store.find_membership(ctx, user.id, tenant.id)
  return answer(pair, user, membership, tenant)
end

--- Ends the caller's session; with input.all every session of theirs.
function M.logout(ctx, input)
  db.transaction(ctx, function(tx_ctx)
    local actor = tx_ctx.actor
    if input.all then
      sessions.close_all(tx_ctx, actor.user_id, "logout")
    else
      sessions.close(tx_ctx, actor.session_id, actor.user_id)
      if input.refreshToken then
        sessions.close_by_refresh(tx_ctx, input.refreshToken, actor.user_id)
      end
    end
    audit.write(tx_ctx, { action = "auth.logout", resource_type = "user",
      resource_id = actor.user_id })
  end)
end

--- Gives the caller a session in another of their tenants; 403 when they are no member.
function M.switch_tenant(ctx, tenant_id)
  local tenant = tenants.find(ctx, tenant_id)
  local membership = tenant and store.find_membership(ctx, ctx.actor.user_id, tenant_id)
  if not membership then
    errors.raise("FORBIDDEN", "You are no member of this tenant")
  end
  local user = store.find_user(ctx, ctx.actor.user_id)
  local pair = db.transaction(ctx, function(tx_ctx)
    return sign_in(tx_ctx, user, membership, tenant, { action = "auth.switch" })
  end)
  return answer(pair, user, membership, tenant)
end

return M
