--- SQL of what people do with their own accounts, across all their tenants.

local db = require("core.db")

local M = {}

-- Pictures --------------------------------------------------------------------

function M.set_avatar(ctx, user_id, file_id)
  db.platform(ctx):exec("UPDATE users SET avatar_file_id = ? WHERE id = ?", file_id, user_id)
end

function M.find_avatar_id(ctx, user_id)
  local row = db.platform(ctx):one(
    "SELECT avatar_file_id FROM users WHERE id = ? AND deleted_at IS NULL", user_id)
  return row and row.avatar_file_id
end

--- Whether two people are members of one tenant.
function M.share_tenant(ctx, one_id, other_id)
  return db.platform(ctx):one(
    [[SELECT a.tenant_id FROM user_tenants a
      JOIN user_tenants b ON b.tenant_id = a.tenant_id AND b.user_id = ? AND b.is_active
      WHERE a.user_id = ? AND a.is_active LIMIT 1]], other_id, one_id) ~= nil
end

-- Numbers ---------------------------------------------------------------------

function M.count_of(ctx, user_id)
  return db.platform(ctx):one(
    [[SELECT
        (SELECT COUNT(*) FROM sessions
          WHERE user_id = ? AND ended_at IS NULL AND expires_at > NOW(3)) AS sessions,
        (SELECT COUNT(*) FROM user_tenants WHERE user_id = ? AND is_active) AS tenants]],
    user_id, user_id)
end

-- Leaving ---------------------------------------------------------------------

--- A tenant that would be left without an owner, or nil. Locks the ownerships it looks at, so that
-- two last owners cannot both leave at once.
function M.find_only_owned_tenant(ctx, user_id)
  local scope = db.platform(ctx)
  local owned = scope:query(
    [[SELECT t.id, t.organization_name FROM user_tenants m JOIN tenants t ON t.id = m.tenant_id
      WHERE m.user_id = ? AND m.role = 'owner' AND m.is_active AND t.deleted_at IS NULL
      ORDER BY t.id]], user_id)
  for _, tenant in ipairs(owned) do
    local owners = scope:query(
      [[SELECT m.user_id FROM user_tenants m JOIN users u ON u.id = m.user_id
        WHERE m.tenant_id = ? AND m.role = 'owner' AND m.is_active AND u.deleted_at IS NULL
          AND u.status = 'active' FOR UPDATE]], tenant.id)
    if #owners < 2 then
      return tenant
    end
  end
  return nil
end

function M.delete_softly(ctx, user_id)
  db.platform(ctx):exec(
    "UPDATE users SET deleted_at = NOW(3), status = 'inactive' WHERE id = ?", user_id)
end

--- Overwrites what names a person, and removes what only served to sign in.
function M.erase(ctx, user_id)
  local scope = db.platform(ctx)
  scope:exec(
    [[UPDATE users SET email = CONCAT('erased-', id, '@invalid'), password_hash = NULL,
        first_name = 'Deleted', last_name = 'user', phone = NULL, employee_data = NULL,
        avatar_file_id = NULL, mfa_enabled = FALSE, mfa_secret = NULL, mfa_last_step = NULL,
        email_verified = FALSE,
        platform_admin = FALSE, status = 'inactive', last_login_at = NULL,
        erased_at = NOW(3), deleted_at = NOW(3) WHERE id = ?]], user_id)
  for _, name in ipairs({ "one_time_tokens", "recovery_codes" }) do
    scope:exec("DELETE FROM " .. name .. " WHERE user_id = ?", user_id)
  end
  scope:exec("UPDATE sessions SET ip_address = NULL, user_agent = NULL WHERE user_id = ?", user_id)
  scope:exec("UPDATE api_keys SET revoked_at = NOW(3) WHERE user_id = ? AND revoked_at IS NULL",
    user_id)
  scope:exec("UPDATE user_tenants SET is_active = FALSE, status = 'removed' WHERE user_id = ?",
    user_id)
end

-- Copies of one's data ----------------------------------------------------------

function M.insert_export(ctx, row)
  db.platform(ctx):exec(
    [[INSERT INTO data_exports (id, user_id, expires_at)
      VALUES (?, ?, NOW(3) + INTERVAL ? DAY)]], row.id, row.user_id, row.keep_days)
end

--- The one that is being made for a user, or nil.
function M.find_waiting_export(ctx, user_id)
  return db.platform(ctx):one(
    [[SELECT id FROM data_exports WHERE user_id = ? AND state = 'waiting'
        AND created_at > NOW(3) - INTERVAL 1 HOUR LIMIT 1]], user_id)
end

function M.find_export(ctx, user_id, id)
  return db.platform(ctx):one(
    [[SELECT id, state, file_id, file_size, expires_at, created_at FROM data_exports
      WHERE id = ? AND user_id = ? AND expires_at > NOW(3)]], id, user_id)
end

function M.finish_export(ctx, id, file_id, size)
  db.platform(ctx):exec(
    [[UPDATE data_exports SET state = 'done', file_id = ?, file_size = ?, finished_at = NOW(3)
      WHERE id = ?]], file_id, size, id)
end

function M.fail_export(ctx, id)
  db.platform(ctx):exec(
    "UPDATE data_exports SET state = 'failed', finished_at = NOW(3) WHERE id = ?", id)
end

function M.list_old_exports(ctx)
  return db.platform(ctx):query(
    "SELECT id, file_id FROM data_exports WHERE expires_at <= NOW(3) LIMIT 1000")
end

function M.list_exports_of(ctx, user_id)
  return db.platform(ctx):query("SELECT id, file_id FROM data_exports WHERE user_id = ?", user_id)
end

function M.delete_export(ctx, id)
  db.platform(ctx):exec("DELETE FROM data_exports WHERE id = ?", id)
end

--- The sessions of an account, for the copy.
function M.list_sessions(ctx, user_id)
  return db.platform(ctx):query(
    [[SELECT id, tenant_id, ip_address, user_agent, created_at, last_used_at, expires_at, ended_at
      FROM sessions WHERE user_id = ? ORDER BY created_at]], user_id)
end

--- The API keys that act for an account, and those that did, for the copy.
function M.list_keys(ctx, user_id)
  return db.platform(ctx):query(
    [[SELECT id, tenant_id, name, prefix, scopes, created_at, last_used_at, expires_at, revoked_at
      FROM api_keys WHERE user_id = ? ORDER BY created_at]], user_id)
end

return M
