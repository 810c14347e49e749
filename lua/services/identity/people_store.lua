--- SQL of a tenant's people.

local db = require("core.db")

local M = {}

-- What the tenant's own roles of a member permit, as a comma-separated list.
local GRANTED = [[(SELECT GROUP_CONCAT(p.permission) FROM roles r
    JOIN role_permissions p ON p.role_id = r.id AND p.tenant_id = :tenant
    LEFT JOIN user_roles h ON h.role_id = r.id AND h.user_id = m.user_id AND h.tenant_id = :tenant
    WHERE r.tenant_id = :tenant AND (r.name = m.role OR h.role_id IS NOT NULL)) AS granted]]

-- An account that is barred everywhere is barred here, too.
local STATUS = "IF(u.status = 'active', m.status, u.status)"

local COLUMNS = [[u.id, u.email, u.first_name, u.last_name, u.phone, u.user_type, u.platform_admin,
    m.role, m.permissions, m.created_at, ]] .. STATUS .. " AS status"
local MEMBERS = [[ FROM user_tenants m JOIN users u ON u.id = m.user_id
  WHERE m.tenant_id = :tenant AND m.status <> 'removed' AND u.deleted_at IS NULL]]
local OWNERS = [[SELECT m.user_id FROM user_tenants m JOIN users u ON u.id = m.user_id
  WHERE m.tenant_id = :tenant AND m.role = 'owner' AND m.is_active = TRUE
    AND u.deleted_at IS NULL AND u.status = 'active' FOR UPDATE]]

--- What lists can be sorted by: name -> for core.paging.
M.SORTS = {
  name = "u.last_name",
  email = "u.email",
  role = "m.role",
  status = { sql = STATUS, key = "status" },
  joinedAt = { sql = "m.created_at", key = "created_at" },
}

--- A member, barred or not, with what their roles grant; nil when there is none.
function M.find(ctx, user_id)
  return db.scope(ctx):one("SELECT " .. COLUMNS .. ", " .. GRANTED .. MEMBERS
    .. " AND m.user_id = ?", user_id)
end

--- Locks a member's row. @return whether there is one
function M.lock(ctx, user_id)
  return db.scope(ctx):one("SELECT m.id" .. MEMBERS .. " AND m.user_id = ? FOR UPDATE",
    user_id) ~= nil
end

--- Locks the owners that can act, so that two who change owners do so after each other.
-- @return how many they are
function M.lock_owners(ctx)
  return #db.scope(ctx):query(OWNERS)
end

local function add_set(conditions, params, sql, values)
  conditions[#conditions + 1] = " AND " .. sql .. " IN (?" .. (", ?"):rep(#values - 1) .. ")"
  for _, value in ipairs(values) do
    params[#params + 1] = value
  end
end

-- Who has one of the tenant's own roles besides the one of the membership.
local HELD = [[m.user_id IN (SELECT h.user_id FROM user_roles h
    JOIN roles r ON r.id = h.role_id AND r.tenant_id = :tenant
    WHERE h.tenant_id = :tenant AND r.name]]

-- The conditions of a filter {ids, roles, held, staff, statuses, q} and their parameters.
local function conditions_of(filter)
  local conditions, params = {}, {}
  if filter.ids then
    add_set(conditions, params, "m.user_id", filter.ids)
  end
  if filter.held then
    add_set(conditions, params, HELD, filter.held)
    conditions[#conditions] = conditions[#conditions] .. ")"
  end
  if filter.roles then
    add_set(conditions, params, "m.role", filter.roles)
  end
  if filter.staff then
    conditions[#conditions + 1] = " AND m.role <> 'public'"
  end
  if filter.statuses then
    add_set(conditions, params, STATUS, filter.statuses)
  end
  if filter.q then
    local like = filter.q:gsub("[\\%%_]", "\\%0") .. "%"
    conditions[#conditions + 1] = [[ AND (u.first_name LIKE ? OR u.last_name LIKE ?
      OR u.email LIKE ? OR CONCAT(u.first_name, ' ', u.last_name) LIKE ?)]]
    for _, text in ipairs({ like, like, like:lower(), like }) do
      params[#params + 1] = text
    end
  end
  return table.concat(conditions), params
end

--- Members that a filter {ids, roles, held, staff, statuses, q} lets through. q is the start of a
-- name or an address; held are roles of the tenant's own besides the one of the membership.
-- @param page of core.paging
function M.list(ctx, filter, page)
  local where, params = conditions_of(filter)
  for _, value in ipairs(page.params) do
    params[#params + 1] = value
  end
  params[#params + 1] = page.fetch
  params[#params + 1] = page.offset
  return db.scope(ctx):query("SELECT " .. COLUMNS .. MEMBERS .. where .. " AND " .. page.condition
    .. " ORDER BY " .. page.order .. " LIMIT ? OFFSET ?", unpack(params))
end

function M.count(ctx, filter)
  local where, params = conditions_of(filter)
  return db.scope(ctx):one("SELECT COUNT(*) AS members" .. MEMBERS .. where,
    unpack(params)).members
end

function M.set_status(ctx, user_id, status)
  db.scope(ctx):exec(
    [[UPDATE user_tenants SET status = ?, is_active = ?
      WHERE tenant_id = :tenant AND user_id = ?]], status, status == "active", user_id)
end

function M.set_role(ctx, user_id, role)
  db.scope(ctx):exec("UPDATE user_tenants SET role = ? WHERE tenant_id = :tenant AND user_id = ?",
    role, user_id)
end

--- @param changes JSON text, or nil
function M.set_permissions(ctx, user_id, changes)
  db.scope(ctx):exec(
    "UPDATE user_tenants SET permissions = ? WHERE tenant_id = :tenant AND user_id = ?",
    changes, user_id)
end

--- Whether a person is a member of any other tenant.
function M.is_elsewhere(ctx, user_id)
  return db.platform(ctx):one(
    [[SELECT id FROM user_tenants WHERE user_id = ? AND tenant_id <> ? AND status <> 'removed'
      LIMIT 1]], user_id, ctx:require_tenant().id) ~= nil
end

return M
