--- SQL of a tenant's own roles.

local db = require("core.db")

local M = {}

local ROLE = [[SELECT r.id, r.name, r.description, r.created_at, r.updated_at,
    (SELECT GROUP_CONCAT(p.permission ORDER BY p.permission) FROM role_permissions p
      WHERE p.tenant_id = :tenant AND p.role_id = r.id) AS granted
  FROM roles r WHERE r.tenant_id = :tenant]]

function M.list(ctx)
  return db.scope(ctx):query(ROLE .. " ORDER BY r.name")
end

function M.find(ctx, id)
  return db.scope(ctx):one(ROLE .. " AND r.id = ?", id)
end

function M.find_by_name(ctx, name)
  return db.scope(ctx):one(ROLE .. " AND r.name = ?", name)
end

--- Locks a role's row. @return whether there is one
function M.lock(ctx, id)
  return db.scope(ctx):one("SELECT id FROM roles WHERE tenant_id = :tenant AND id = ? FOR UPDATE",
    id) ~= nil
end

function M.count(ctx)
  return db.scope(ctx):one("SELECT COUNT(*) AS roles FROM roles WHERE tenant_id = :tenant").roles
end

function M.insert(ctx, row)
  db.scope(ctx):exec(
    "INSERT INTO roles (id, tenant_id, name, description) VALUES (?, :tenant, ?, ?)",
    row.id, row.name, row.description)
end

function M.update(ctx, id, row)
  db.scope(ctx):exec(
    [[UPDATE roles SET name = ?, description = ?, updated_at = NOW(3)
      WHERE tenant_id = :tenant AND id = ?]], row.name, row.description, id)
end

--- Those who have a role by its name keep it under another.
function M.rename_held(ctx, old, new)
  db.scope(ctx):exec("UPDATE user_tenants SET role = ? WHERE tenant_id = :tenant AND role = ?",
    new, old)
end

--- @param permissions a list of names
function M.set_permissions(ctx, id, permissions)
  local scope = db.scope(ctx)
  scope:exec("DELETE FROM role_permissions WHERE tenant_id = :tenant AND role_id = ?", id)
  for _, permission in ipairs(permissions) do
    scope:exec(
      "INSERT INTO role_permissions (role_id, tenant_id, permission) VALUES (?, :tenant, ?)",
      id, permission)
  end
end

--- Deletes a role with what it permits and who had it besides their own.
function M.delete(ctx, id)
  db.scope(ctx):exec("DELETE FROM roles WHERE tenant_id = :tenant AND id = ?", id)
end

--- Whether it is somebody's role.
function M.is_main(ctx, name)
  return db.scope(ctx):one(
    [[SELECT id FROM user_tenants WHERE tenant_id = :tenant AND role = ?
        AND status <> 'removed' LIMIT 1]], name) ~= nil
end

--- The roles that a member has besides the one of the membership.
function M.list_held(ctx, user_id)
  return db.scope(ctx):query(
    [[SELECT r.id, r.name FROM user_roles h
      JOIN roles r ON r.id = h.role_id AND r.tenant_id = :tenant
      WHERE h.tenant_id = :tenant AND h.user_id = ? ORDER BY r.name]], user_id)
end

function M.give(ctx, user_id, role_id)
  db.scope(ctx):exec(
    "INSERT IGNORE INTO user_roles (tenant_id, user_id, role_id) VALUES (:tenant, ?, ?)",
    user_id, role_id)
end

--- @return whether the member had it
function M.take(ctx, user_id, role_id)
  return db.scope(ctx):exec(
    "DELETE FROM user_roles WHERE tenant_id = :tenant AND user_id = ? AND role_id = ?",
    user_id, role_id).affected > 0
end

function M.take_all(ctx, user_id)
  db.scope(ctx):exec("DELETE FROM user_roles WHERE tenant_id = :tenant AND user_id = ?", user_id)
end

return M
