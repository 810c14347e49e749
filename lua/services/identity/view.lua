--- How people are shown outside: camelCase, and only what the reader may see.

local json = require("core.json")
local roles = require("services.identity.roles")

local M = {}

local AVATAR = "/api/v1/users/%s/avatar"

local function full_name(row)
  return (row.first_name .. " " .. row.last_name):match("^%s*(.-)%s*$")
end

--- One's own account.
-- @param membership {role, permissions (JSON text)} or nil
-- @param tenant or nil
function M.self(row, membership, tenant)
  local role = membership and membership.role
  local changes = membership and membership.permissions and json.decode(membership.permissions)
  local permissions = json.array({})
  for permission in pairs(roles.permissions(role, changes, row.platform_admin)) do
    permissions[#permissions + 1] = permission
  end
  table.sort(permissions)
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

--- The full name of a row.
M.full_name = full_name

return M
