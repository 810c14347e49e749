--- One's own account: what it says, its password, its picture, and leaving.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local registry = require("core.registry")
local audit = require("services.audit")
local files = require("services.files")
local persons = require("services.persons")
local accounts = require("services.identity.accounts_store")
local credentials = require("services.identity.credentials")
local letters = require("services.identity.letters")
local names = require("services.identity.names")
local passwords = require("services.identity.passwords")
local roles = require("services.identity.roles")
local secrets = require("services.identity.secrets_store")
local sessions = require("services.identity.sessions")
local standing = require("services.identity.standing")
local store = require("services.identity.store")
local view = require("services.identity.view")

local M = {}

local AVATAR_PX = 256

local function own(ctx)
  return store.find_user(ctx, ctx.actor.user_id)
end

--- The caller's own account.
function M.get(ctx)
  local user = own(ctx)
  local membership = ctx.tenant and store.find_membership(ctx, user.id, ctx.tenant.id)
  local shown = view.self(user, membership, ctx.tenant)
  if ctx.actor.kind == "key" then
    shown.permissions = roles.list(ctx.actor.permissions)
  end
  return shown
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

local function change_password(ctx, user, input)
  passwords.check(input.newPassword, "newPassword", { user.email, user.email:match("^[^@]+") })
  credentials.confirm(ctx, user, input.currentPassword, "currentPassword")
  return passwords.hash(input.newPassword)
end

local function told(user)
  return { firstName = user.first_name, lastName = user.last_name, phone = user.phone,
    employee = user.employee_data and json.raw(user.employee_data) or nil }
end

--- Changes the caller's own account. A new password ends every other session.
-- @param input firstName, lastName, fullName, phone (json.null removes it), employee,
--   currentPassword with newPassword
function M.update(ctx, input)
  local user = own(ctx)
  local hash = input.newPassword and change_password(ctx, user, input)
  local row = {
    first_name = input.firstName or user.first_name,
    last_name = input.lastName or user.last_name,
    phone = user.phone,
    employee_data = input.employee and json.encode(input.employee) or user.employee_data,
  }
  if input.fullName and not input.firstName and not input.lastName then
    row.first_name, row.last_name = names.split(input)
  end
  if input.phone ~= nil then
    row.phone = input.phone ~= json.null and input.phone or nil
  end
  db.transaction(ctx, function(tx_ctx)
    store.update_profile(tx_ctx, user.id, row)
    if hash then
      store.set_password(tx_ctx, user.id, hash)
      secrets.end_one_time_tokens(tx_ctx, user.id)
      sessions.close_all(tx_ctx, user.id, "password", tx_ctx.actor.session_id)
      letters.tell(tx_ctx, user, "password_changed")
    end
    audit.write(tx_ctx, {
      action = hash and "user.password" or "user.update",
      resource_type = "user",
      resource_id = user.id,
      person = user.id,
      old = told(user),
      new = told(row),
    })
  end)
  return M.get(ctx)
end

--- Takes a picture of the caller: cut to a square of 256 px, as WebP.
-- @param upload a file of a multipart body
function M.set_avatar(ctx, upload)
  local user = own(ctx)
  local picture = files.make_picture(upload, "avatar", { size = AVATAR_PX, format = "webp" })
  db.transaction(ctx, function(tx_ctx)
    local file_id = files.keep(tx_ctx, picture)
    accounts.set_avatar(tx_ctx, user.id, file_id)
    if user.avatar_file_id then
      files.drop(tx_ctx, user.avatar_file_id)
    end
    audit.write(tx_ctx, { action = "user.avatar", resource_type = "user", resource_id = user.id })
  end)
  return M.get(ctx)
end

--- The picture of somebody, for themselves and those who share a tenant with them: a row of files.
function M.find_avatar(ctx, user_id)
  local is_own = user_id == ctx.actor.user_id
  local seen = is_own or accounts.share_tenant(ctx, user_id, ctx.actor.user_id)
  local file_id = seen and accounts.find_avatar_id(ctx, user_id)
  return file_id and files.find_kept(ctx, file_id)
    or errors.raise("NOT_FOUND", "There is no such picture")
end

--- What the caller did, in numbers: of the account, and what services and plugins add.
function M.stats(ctx)
  local user = own(ctx)
  local numbers = accounts.count_of(ctx, user.id)
  local answer = {
    memberSince = user.created_at,
    lastLoginAt = user.last_login_at or json.null,
    activeSessions = numbers.sessions,
    tenants = numbers.tenants,
  }
  for _, part in ipairs(registry.personal) do
    for name, number in pairs(part.stats and part.stats(ctx, user.id) or {}) do
      answer[name] = number
    end
  end
  return answer
end

-- A tenant must not be left without an owner.
local function check_ownership(ctx, user_id)
  local tenant = accounts.find_only_owned_tenant(ctx, user_id)
  if tenant then
    errors.raise("CONFLICT", "You are the last owner of " .. tenant.organization_name
      .. ": hand it over first")
  end
end

local function leave(ctx, user, reason)
  check_ownership(ctx, user.id)
  sessions.close_all(ctx, user.id, reason)
  secrets.end_one_time_tokens(ctx, user.id)
  standing.announce(ctx, { kind = "user.changed", user_id = user.id })
end

--- Deactivates the caller's account: an administrator can bring it back.
function M.deactivate(ctx)
  local user = own(ctx)
  db.transaction(ctx, function(tx_ctx)
    leave(tx_ctx, user, "deactivated")
    accounts.delete_softly(tx_ctx, user.id)
    audit.write(tx_ctx, { action = "user.deactivate", resource_type = "user",
      resource_id = user.id })
  end)
end

--- Erases the caller's account for good: what names the person is overwritten or destroyed, what
-- they did stays as a deleted user's.
function M.erase(ctx, password)
  local user = own(ctx)
  credentials.confirm(ctx, user, password, "password")
  db.transaction(ctx, function(tx_ctx)
    leave(tx_ctx, user, "erased")
    audit.write(tx_ctx, { action = "user.erase", resource_type = "user", resource_id = user.id })
    for _, part in ipairs(registry.personal) do
      if part.erase then
        part.erase(tx_ctx, user.id)
      end
    end
    accounts.erase(tx_ctx, user.id)
    if user.avatar_file_id then
      files.drop(tx_ctx, user.avatar_file_id)
    end
    persons.forget(tx_ctx, user.id)
  end)
end

return M
