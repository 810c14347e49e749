--- Accounts: registering, signing in, refreshing, one's own profile.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local uuid = require("core.uuid")
local audit = require("services.audit")
local passwords = require("services.identity.passwords")
local sessions = require("services.identity.sessions")
local store = require("services.identity.store")
local tenants = require("services.identity.tenants")
local tokens = require("services.identity.tokens")
local view = require("services.identity.view")

local M = {}

local FAILURES_MAX = 5
local LOCK_S = 900

-- The context of somebody who has just proved who they are.
local function as_user(ctx, user, tenant)
  local own = ctx:with({
    actor = { kind = "user", user_id = user.id, permissions = {}, name = view.full_name(user) },
  })
  own.tenant = tenant
  return own
end

local function check_password(password, field, personal)
  local problem = passwords.problem(password, personal)
  if problem then
    errors.validation({ { field = field, code = "password", message = problem } })
  end
end

local function names(input)
  if input.firstName or input.lastName then
    return input.firstName or "", input.lastName or ""
  end
  local full = (input.fullName or ""):match("^%s*(.-)%s*$")
  local first, last = full:match("^(.-)%s+(%S+)$")
  return first or full, last or ""
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
    new = options.new })
  return pair
end

--- Makes an account; whoever names a tenant joins it with the role `public`.
-- @param input the body of POST /auth/register
-- @return the answer {user, accessToken, refreshToken, expiresIn}, the token pair
function M.register(ctx, input)
  local email = input.email:lower()
  local first_name, last_name = names(input)
  check_password(input.password, "password", { email, email:match("^[^@]+"), input.fullName,
    first_name .. last_name })
  local tenant = tenants.named(ctx, input)
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
  row.password_hash = passwords.hash(input.password)
  local membership = tenant and { role = "public" }
  local pair = db.transaction(ctx, function(tx_ctx)
    local ok, err = pcall(store.insert_user, tx_ctx, row)
    if not ok and errors.is(err, "CONFLICT") then
      errors.raise("EMAIL_TAKEN", "There is an account with this address")
    elseif not ok then
      error(err, 0)
    end
    if tenant then
      store.insert_membership(tx_ctx,
        { id = uuid.v7(), user_id = row.id, tenant_id = tenant.id, role = membership.role })
    end
    return sign_in(tx_ctx, row, membership, tenant, {
      action = "auth.register",
      new = { firstName = first_name, lastName = last_name, userType = row.user_type },
    })
  end)
  return answer(pair, store.find_user(ctx, row.id), membership, tenant)
end

local function locked(left_s)
  errors.raise("ACCOUNT_LOCKED", "Too many failed sign-ins: try again later",
    { headers = { ["Retry-After"] = tostring(left_s) } })
end

-- The user whose address and password these are. Known and unknown addresses are counted, locked
-- and answered alike, in the same time.
local function prove(ctx, email, password)
  local email_hash = tokens.digest(email)
  local left_s = store.find_lock_s(ctx, email_hash)
  if left_s then
    locked(left_s)
  end
  local user = store.find_user_by_email(ctx, email)
  local right = passwords.verify(password, user and user.password_hash)
  if not right then
    store.add_failure(ctx, email_hash, FAILURES_MAX, LOCK_S)
    errors.raise("INVALID_CREDENTIALS", "The address or the password is wrong")
  end
  left_s = store.find_lock_s(ctx, email_hash) -- guesses beside this one may have locked it
  if left_s then
    locked(left_s)
  end
  if user.status ~= "active" then
    errors.raise("FORBIDDEN", "The account is not active")
  end
  return user, email_hash
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
  return first and tenants.find(ctx, first.id)
end

--- Signs in with an address and a password.
-- @param input the body of POST /auth/login
-- @param options cookie = true when the refresh token goes into a cookie
-- @return the answer, the token pair
function M.login(ctx, input, options)
  local user, email_hash = prove(ctx, input.email:lower(), input.password)
  local tenant = choose_tenant(ctx, user)
  local membership = tenant and store.find_membership(ctx, user.id, tenant.id)
  local stronger = passwords.is_weak(user.password_hash) and passwords.hash(input.password)
  local pair = db.transaction(ctx, function(tx_ctx)
    store.clear_failures(tx_ctx, email_hash)
    if stronger then
      store.set_password(tx_ctx, user.id, stronger)
    end
    return sign_in(tx_ctx, user, membership, tenant,
      { action = "auth.login", cookie = options.cookie })
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

--- The caller's tenants with their role in each.
function M.list_tenants(ctx)
  local list = json.array({})
  for _, row in ipairs(store.list_tenants_of(ctx, ctx.actor.user_id)) do
    list[#list + 1] = {
      id = row.id,
      slug = row.slug,
      name = row.organization_name,
      role = row.role,
      active = ctx.tenant ~= nil and ctx.tenant.id == row.id,
      joinedAt = row.created_at,
    }
  end
  return list
end

--- The caller's own account.
function M.profile(ctx)
  local user = store.find_user(ctx, ctx.actor.user_id)
  local membership = ctx.tenant and store.find_membership(ctx, user.id, ctx.tenant.id)
  return view.self(user, membership, ctx.tenant)
end

local function change_password(user, input)
  check_password(input.newPassword, "newPassword", { user.email, user.email:match("^[^@]+") })
  if not passwords.verify(input.currentPassword or "", user.password_hash) then
    errors.validation({ { field = "currentPassword", code = "wrong",
      message = "is not your password" } })
  end
  return passwords.hash(input.newPassword)
end

--- Changes the caller's own account. A new password ends every other session.
-- @param input firstName, lastName, fullName, phone (json.null removes it), employee,
--   currentPassword with newPassword
function M.update_profile(ctx, input)
  local user = store.find_user(ctx, ctx.actor.user_id)
  local hash = input.newPassword and change_password(user, input)
  local row = {
    first_name = input.firstName or user.first_name,
    last_name = input.lastName or user.last_name,
    phone = user.phone,
    employee_data = input.employee and json.encode(input.employee) or user.employee_data,
  }
  if input.fullName and not input.firstName and not input.lastName then
    row.first_name, row.last_name = names(input)
  end
  if input.phone ~= nil then
    row.phone = input.phone ~= json.null and input.phone or nil
  end
  db.transaction(ctx, function(tx_ctx)
    store.update_profile(tx_ctx, user.id, row)
    if hash then
      store.set_password(tx_ctx, user.id, hash)
      sessions.close_all(tx_ctx, user.id, "password", tx_ctx.actor.session_id)
    end
    audit.write(tx_ctx, {
      action = hash and "user.password" or "user.update",
      resource_type = "user",
      resource_id = user.id,
      old = { firstName = user.first_name, lastName = user.last_name },
      new = { firstName = row.first_name, lastName = row.last_name },
    })
  end)
  return M.profile(ctx)
end

return M
