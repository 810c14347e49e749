--- SQL of the secrets of a tenant's scripts.

local db = require("core.db")

local M = {}

function M.list(ctx)
  return db.scope(ctx):query(
    [[SELECT s.name, s.updated_at, s.updated_by,
        TRIM(CONCAT(u.first_name, ' ', u.last_name)) AS name_of
      FROM script_secrets s LEFT JOIN users u ON u.id = s.updated_by
      WHERE s.tenant_id = :tenant ORDER BY s.name]])
end

function M.find(ctx, name)
  return db.scope(ctx):one(
    "SELECT name, sealed FROM script_secrets WHERE tenant_id = :tenant AND name = ?", name)
end

--- How many there are besides this one.
function M.count_others(ctx, name)
  return db.scope(ctx):one([[SELECT COUNT(*) AS secrets FROM script_secrets
    WHERE tenant_id = :tenant AND name <> ?]], name).secrets
end

function M.put(ctx, name, sealed)
  db.scope(ctx):exec(
    [[INSERT INTO script_secrets (tenant_id, name, sealed, updated_at, updated_by)
      VALUES (:tenant, ?, ?, NOW(3), ?)
      ON DUPLICATE KEY UPDATE sealed = VALUES(sealed), updated_at = VALUES(updated_at),
        updated_by = VALUES(updated_by)]], name, sealed, ctx.actor.user_id)
end

--- @return whether there was one
function M.delete(ctx, name)
  return db.scope(ctx):exec("DELETE FROM script_secrets WHERE tenant_id = :tenant AND name = ?",
    name).affected > 0
end

return M
