--- SQL of the values that tenants' scripts keep.

local db = require("core.db")

local M = {}

--- @param locked until the transaction ends
function M:find(ctx, name, locked)
  return db.scope(ctx):one(
    "SELECT name, value FROM script_kv WHERE tenant_id = :tenant AND name = ?"
    .. (locked and " FOR UPDATE" or ""), name)
end

function M:put(ctx, name, value)
  db.scope(ctx):queue(
    [[INSERT INTO script_kv (tenant_id, name, value) VALUES (:tenant, ?, ?)
      ON DUPLICATE KEY UPDATE value = VALUES(value)]], name, value)
end

--- Leaves what is there.
function M:put_new(ctx, name, value)
  db.scope(ctx):queue(
    [[INSERT INTO script_kv (tenant_id, name, value) VALUES (:tenant, ?, ?)
      ON DUPLICATE KEY UPDATE name = name]], name, value)
end

--- @return whether it was there
function M:delete(ctx, name)
  return db.scope(ctx):exec("DELETE FROM script_kv WHERE tenant_id = :tenant AND name = ?",
    name).affected == 1
end

function M:count(ctx)
  return db.scope(ctx):one("SELECT COUNT(*) AS n FROM script_kv WHERE tenant_id = :tenant").n
end

return M
