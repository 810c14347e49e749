--- SQL of workspaces: tenants as their members see them.

local db = require("core.db")

local M = {}

local WORKSPACE = [[t.id, t.slug, t.organization_name, t.contact_info, t.branding_config,
  t.subscription_tier, t.timezone, t.created_at, t.updated_at]]

--- The workspaces of a user with their role in each.
-- @param page of core.paging
function M.list_of(ctx, user_id, page)
  local params = { user_id }
  for _, value in ipairs(page.params) do
    params[#params + 1] = value
  end
  params[#params + 1] = page.fetch
  params[#params + 1] = page.offset
  return db.platform(ctx):query("SELECT " .. WORKSPACE .. [[, m.role
    FROM user_tenants m JOIN tenants t ON t.id = m.tenant_id
    WHERE m.user_id = ? AND m.is_active = TRUE AND t.is_active = TRUE AND t.deleted_at IS NULL
      AND ]] .. page.condition .. " ORDER BY " .. page.order .. " LIMIT ? OFFSET ?",
    unpack(params))
end

function M.count_of(ctx, user_id)
  return db.platform(ctx):one([[SELECT COUNT(*) AS workspaces
    FROM user_tenants m JOIN tenants t ON t.id = m.tenant_id
    WHERE m.user_id = ? AND m.is_active = TRUE AND t.is_active = TRUE AND t.deleted_at IS NULL]],
    user_id).workspaces
end

--- The workspace of this id, or nil.
-- @param locked until the transaction ends
function M.find(ctx, id, locked)
  return db.platform(ctx):one("SELECT " .. WORKSPACE .. [[ FROM tenants t
    WHERE t.id = ? AND t.is_active = TRUE AND t.deleted_at IS NULL]]
    .. (locked and " FOR UPDATE" or ""), id)
end

function M.update(ctx, id, row)
  db.platform(ctx):exec(
    [[UPDATE tenants SET slug = ?, organization_name = ?, contact_info = ?, timezone = ?,
        subscription_tier = ? WHERE id = ?]],
    row.slug, row.organization_name, row.contact_info, row.timezone, row.subscription_tier, id)
end

function M.delete(ctx, id)
  db.platform(ctx):exec("UPDATE tenants SET deleted_at = NOW(3) WHERE id = ?", id)
end

-- Members -----------------------------------------------------------------------

--- What somebody is in the context's tenant: {role, status}, locked; nil when they never were.
function M.lock_member(ctx, user_id)
  return db.scope(ctx):one([[SELECT role, status FROM user_tenants
    WHERE tenant_id = :tenant AND user_id = ? FOR UPDATE]], user_id)
end

--- Makes somebody a member with this role who was none, had left, or had the role `public`.
function M.put_member(ctx, row)
  db.scope(ctx):exec(
    [[INSERT INTO user_tenants (id, user_id, tenant_id, role) VALUES (?, ?, :tenant, ?)
      ON DUPLICATE KEY UPDATE role = VALUES(role), permissions = NULL, is_active = TRUE,
        status = 'active']],
    row.id, row.user_id, row.role)
end

--- Ends all sessions in the context's tenant.
function M.end_sessions(ctx, reason)
  db.scope(ctx):exec([[UPDATE sessions SET ended_at = NOW(3), end_reason = ?
    WHERE tenant_id = :tenant AND ended_at IS NULL]], reason)
end

return M
