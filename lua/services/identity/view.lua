--- How people are shown outside: camelCase, and only what the reader may see.

local json = require("core.json")
local roles = require("services.identity.roles")

local M = {}

local AVATAR = "/api/v1/users/%s/avatar"

local function full_name(row)
  return (row.first_name .. " " .. row.last_name):match("^%s*(.-)%s*$")
end

--- One's own account.
-- @param membership {role, granted, permissions (JSON text)} or nil
-- @param tenant or nil
function M.self(row, membership, tenant)
  local role = membership and membership.role
  local permissions = roles.list(roles.effective({
    role = role,
    granted = membership and membership.granted,
    permissions = membership and membership.permissions,
    platform_admin = row.platform_admin,
  }))
  return {
    id = row.id,
    email = row.email,
    firstName = row.first_name,
    lastName = row.last_name,
    fullName = full_name(row),
    phone = row.phone or json.null,
    userType = row.user_type,
    status = row.status,
    emailVerified = row.email_verified,
    mfaEnabled = row.mfa_enabled,
    platformAdmin = row.platform_admin,
    avatarUrl = row.avatar_file_id and AVATAR:format(row.id) or json.null,
    employee = row.employee_data and json.raw(row.employee_data) or json.null,
    role = role or json.null,
    tenant = tenant and { id = tenant.id, slug = tenant.slug, name = tenant.name } or json.null,
    permissions = permissions,
    createdAt = row.created_at,
  }
end

--- A member of the tenant, for those with `users.read`.
function M.member(row)
  return {
    id = row.id,
    email = row.email,
    firstName = row.first_name,
    lastName = row.last_name,
    fullName = full_name(row),
    phone = row.phone or json.null,
    userType = row.user_type,
    status = row.status,
    role = row.role,
    joinedAt = row.created_at,
  }
end

--- The same with what the member may do, and why.
-- @param held the tenant's own roles that they have besides, rows {id, name}
function M.member_detail(row, held)
  local shown = M.member(row)
  shown.roles = json.array({})
  for i, role in ipairs(held) do
    shown.roles[i] = { id = role.id, name = role.name }
  end
  shown.permissions = roles.list(roles.effective(row))
  shown.permissionChanges = json.object(row.permissions and json.decode(row.permissions) or {})
  return shown
end

--- The full name of a row.
M.full_name = full_name

return M
