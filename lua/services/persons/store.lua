--- SQL of the keys of persons. An account belongs to no tenant, so it goes past the tenant check.

local db = require("core.db")

local M = {}

--- {user_id, sealed_key = nil when it was destroyed} of those who have ever had one.
function M.list(ctx, ids)
  return db.platform(ctx):query(
    "SELECT user_id, sealed_key FROM personal_keys WHERE user_id IN (" .. ("?, "):rep(#ids - 1)
      .. "?)", unpack(ids))
end

--- Those of these ids that are accounts'.
function M.list_persons(ctx, ids)
  return db.platform(ctx):query("SELECT id FROM users WHERE id IN (" .. ("?, "):rep(#ids - 1)
    .. "?)", unpack(ids))
end

function M.insert(ctx, user_id, sealed_key)
  db.platform(ctx):exec(
    [[INSERT INTO personal_keys (user_id, sealed_key) VALUES (?, ?)
      ON DUPLICATE KEY UPDATE user_id = user_id]], user_id, sealed_key)
end

function M.destroy(ctx, user_id)
  db.platform(ctx):exec(
    [[INSERT INTO personal_keys (user_id, sealed_key, destroyed_at) VALUES (?, NULL, NOW(3))
      ON DUPLICATE KEY UPDATE sealed_key = NULL, destroyed_at = NOW(3)]], user_id)
end

return M
