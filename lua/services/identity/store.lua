--- SQL of accounts, sessions and tenants. Signing in happens before a tenant is known, and an
-- account may be a member of several, so it goes past the tenant check.

local db = require("core.db")

local M = {}

local USER = [[u.id, u.email, u.password_hash, u.first_name, u.last_name, u.phone, u.user_type,
  u.platform_admin, u.employee_data, u.email_verified, u.status, u.mfa_enabled, u.avatar_file_id,
  u.last_login_at, u.created_at, u.updated_at]]
local TENANT = [[id, slug, organization_name, domain, subscription_tier, api_limits, settings,
  timezone]]
--- What the own roles of the tenant of a membership m permit, as a comma-separated list.
M.GRANTED = [[(SELECT GROUP_CONCAT(p.permission) FROM roles r
    JOIN role_permissions p ON p.role_id = r.id
    LEFT JOIN user_roles h ON h.role_id = r.id AND h.user_id = m.user_id
    WHERE r.tenant_id = m.tenant_id AND (r.name = m.role OR h.role_id IS NOT NULL)) AS granted]]
local TENANT_BY = { id = true, slug = true, domain = true }

-- Tenants -------------------------------------------------------------------

function M.find_tenant(ctx, column, value)
  assert(TENANT_BY[column])
  return db.platform(ctx):one("SELECT " .. TENANT .. " FROM tenants WHERE " .. column ..
    " = ? AND is_active = TRUE AND deleted_at IS NULL", value)
end

function M.insert_tenant(ctx, row)
  db.platform(ctx):exec(
    [[INSERT INTO tenants (id, slug, organization_name, contact_info, branding_config,
        subscription_tier, settings, timezone) VALUES (?, ?, ?, ?, ?, ?, ?, ?)]],
    row.id, row.slug, row.organization_name, row.contact_info, row.branding_config,
    row.subscription_tier, row.settings, row.timezone)
end

-- Users ---------------------------------------------------------------------

function M.insert_user(ctx, row)
  db.platform(ctx):exec(
    [[INSERT INTO users (id, email, password_hash, first_name, last_name, phone, user_type,
        platform_admin, employee_data, email_verified) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)]],
    row.id, row.email, row.password_hash, row.first_name, row.last_name, row.phone,
    row.user_type, row.platform_admin or false, row.employee_data, row.email_verified or false)
end

function M.find_user_by_email(ctx, email)
  return db.platform(ctx):one(
    "SELECT " .. USER .. " FROM users u WHERE u.email = ? AND u.deleted_at IS NULL", email)
end

function M.find_user(ctx, id)
  return db.platform(ctx):one(
    "SELECT " .. USER .. " FROM users u WHERE u.id = ? AND u.deleted_at IS NULL", id)
end

function M.update_profile(ctx, id, row)
  db.platform(ctx):exec(
    "UPDATE users SET first_name = ?, last_name = ?, phone = ?, employee_data = ? WHERE id = ?",
    row.first_name, row.last_name, row.phone, row.employee_data, id)
end

function M.set_password(ctx, id, hash)
  db.platform(ctx):exec("UPDATE users SET password_hash = ? WHERE id = ?", hash, id)
end

function M.touch_login(ctx, id)
  db.platform(ctx):exec("UPDATE users SET last_login_at = NOW(3) WHERE id = ?", id)
end

function M.set_verified(ctx, id)
  db.platform(ctx):exec("UPDATE users SET email_verified = TRUE WHERE id = ?", id)
end

function M.set_employee(ctx, id)
  db.platform(ctx):exec(
    "UPDATE users SET user_type = 'employee' WHERE id = ? AND user_type = 'public'", id)
end

-- Memberships ---------------------------------------------------------------

function M.insert_membership(ctx, row)
  db.platform(ctx):exec(
    "INSERT INTO user_tenants (id, user_id, tenant_id, role) VALUES (?, ?, ?, ?)",
    row.id, row.user_id, row.tenant_id, row.role)
end

function M.find_membership(ctx, user_id, tenant_id)
  return db.platform(ctx):one(
    "SELECT m.role, m.permissions, " .. M.GRANTED .. [[ FROM user_tenants m
      WHERE m.user_id = ? AND m.tenant_id = ? AND m.is_active = TRUE]], user_id, tenant_id)
end

--- Makes somebody a member who was none, or had the role `public`. @return whether it changed
function M.join_as_member(ctx, row)
  return db.platform(ctx):exec(
    [[INSERT INTO user_tenants (id, user_id, tenant_id, role) VALUES (?, ?, ?, 'member')
      ON DUPLICATE KEY UPDATE role = IF(role = 'public' AND is_active, 'member', role)]],
    row.id, row.user_id, row.tenant_id).affected > 0
end

--- The active tenants of a user, in the order in which they were joined.
function M.list_tenants_of(ctx, user_id)
  return db.platform(ctx):query(
    [[SELECT t.id, t.slug, t.organization_name, m.role, m.created_at
      FROM user_tenants m JOIN tenants t ON t.id = m.tenant_id
      WHERE m.user_id = ? AND m.is_active = TRUE AND t.is_active = TRUE AND t.deleted_at IS NULL
      ORDER BY m.created_at, m.id]], user_id)
end

--- Whether somebody is a member somewhere, but barred wherever they are one.
function M.is_barred(ctx, user_id)
  local row = db.platform(ctx):one(
    [[SELECT COUNT(*) AS barred, COALESCE(SUM(is_active), 0) AS active FROM user_tenants
      WHERE user_id = ? AND status <> 'removed']], user_id)
  return row.barred > 0 and tonumber(row.active) == 0
end

-- Sign-in failures ------------------------------------------------------------

--- The whole seconds until the lock ends, rounded up; nil when there is none.
function M.find_lock_s(ctx, email_hash)
  local row = db.platform(ctx):one(
    [[SELECT (TIMESTAMPDIFF(MICROSECOND, NOW(3), locked_until) + 999999) DIV 1000000 AS left_s
      FROM login_failures WHERE email_hash = ? AND locked_until > NOW(3)]], email_hash)
  return row and row.left_s
end

--- Counts a failure; those of yesterday are forgotten. The `max`-th in a row locks, each lock
-- twice as long as the one before, up to a day.
function M.add_failure(ctx, email_hash, max, lock_s)
  local scope = db.platform(ctx)
  scope:exec(
    [[INSERT INTO login_failures (email_hash, failures) VALUES (?, 1)
      ON DUPLICATE KEY UPDATE
        locks = IF(updated_at < NOW(3) - INTERVAL 1 DAY, 0, locks),
        failures = IF(updated_at < NOW(3) - INTERVAL 1 DAY, 1, failures + 1)]], email_hash)
  return scope:exec(
    [[UPDATE login_failures SET
        locked_until = NOW(3) + INTERVAL LEAST(? * POW(2, locks), 86400) SECOND,
        locks = locks + 1, failures = 0
      WHERE email_hash = ? AND failures >= ?]], lock_s, email_hash, max).affected > 0
end

function M.clear_failures(ctx, email_hash)
  db.platform(ctx):exec("DELETE FROM login_failures WHERE email_hash = ?", email_hash)
end

-- Sessions ------------------------------------------------------------------

function M.insert_session(ctx, row)
  db.platform(ctx):exec(
    [[INSERT INTO sessions (id, user_id, tenant_id, ip_address, user_agent, csrf_hash, expires_at)
      VALUES (?, ?, ?, ?, ?, ?, NOW(3) + INTERVAL ? SECOND)]],
    row.id, row.user_id, row.tenant_id, row.ip_address, row.user_agent, row.csrf_hash, row.ttl_s)
end

function M.insert_refresh_token(ctx, hash, session_id, ttl_s)
  db.platform(ctx):exec(
    [[INSERT INTO refresh_tokens (token_hash, session_id, expires_at)
      VALUES (?, ?, NOW(3) + INTERVAL ? SECOND)]], hash, session_id, ttl_s)
end

--- A refresh token with its session, both locked: two uses of one token run after each other.
function M.lock_refresh_token(ctx, hash)
  return db.platform(ctx):one(
    [[SELECT r.session_id, r.used_at,
        TIMESTAMPDIFF(SECOND, NOW(3), r.expires_at) AS left_s, s.user_id, s.tenant_id,
        s.csrf_hash, s.ended_at
      FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id
      WHERE r.token_hash = ? FOR UPDATE]], hash)
end

function M.use_refresh_token(ctx, hash, session_id, ttl_s)
  local scope = db.platform(ctx)
  scope:exec("UPDATE refresh_tokens SET used_at = NOW(3) WHERE token_hash = ?", hash)
  scope:exec(
    [[UPDATE sessions SET last_used_at = NOW(3), expires_at = NOW(3) + INTERVAL ? SECOND
      WHERE id = ?]], ttl_s, session_id)
end

--- What a session may do right now: the session, its user and the membership, in one row.
function M.find_standing(ctx, session_id)
  return db.platform(ctx):one(
    [[SELECT s.id, s.tenant_id, s.ended_at, u.id AS user_id, u.email, u.first_name, u.last_name,
        u.status, u.platform_admin, u.user_type, u.deleted_at, m.role, m.permissions,
        m.is_active AS member, ]] .. M.GRANTED .. [[

      FROM sessions s JOIN users u ON u.id = s.user_id
      LEFT JOIN user_tenants m ON m.user_id = s.user_id AND m.tenant_id = s.tenant_id
      WHERE s.id = ?]], session_id)
end

function M.end_session(ctx, id, reason)
  return db.platform(ctx):exec(
    "UPDATE sessions SET ended_at = NOW(3), end_reason = ? WHERE id = ? AND ended_at IS NULL",
    reason, id).affected
end

--- A user's sessions that have not ended, with their tenants.
function M.list_sessions(ctx, user_id)
  return db.platform(ctx):query(
    [[SELECT s.id, s.ip_address, s.user_agent, s.created_at, s.last_used_at, s.expires_at,
        t.id AS tenant_id, t.slug, t.organization_name
      FROM sessions s LEFT JOIN tenants t ON t.id = s.tenant_id
      WHERE s.user_id = ? AND s.ended_at IS NULL AND s.expires_at > NOW(3)
      ORDER BY s.last_used_at DESC, s.id DESC LIMIT 500]], user_id)
end

function M.lock_session_of(ctx, user_id, id)
  return db.platform(ctx):one(
    "SELECT id FROM sessions WHERE id = ? AND user_id = ? AND ended_at IS NULL FOR UPDATE",
    id, user_id)
end

function M.lock_sessions_in(ctx, user_id, tenant_id)
  return db.platform(ctx):query(
    [[SELECT id FROM sessions WHERE user_id = ? AND tenant_id = ? AND ended_at IS NULL
      FOR UPDATE]], user_id, tenant_id)
end

function M.lock_sessions_of(ctx, user_id)
  return db.platform(ctx):query(
    "SELECT id FROM sessions WHERE user_id = ? AND ended_at IS NULL FOR UPDATE", user_id)
end

-- Rights that changed ---------------------------------------------------------

function M.insert_security_event(ctx, event)
  db.platform(ctx):exec(
    "INSERT INTO security_events (kind, user_id, tenant_id, session_id) VALUES (?, ?, ?, ?)",
    event.kind, event.user_id, event.tenant_id, event.session_id)
end

function M.list_security_events(ctx, after_id, limit)
  return db.platform(ctx):query(
    [[SELECT id, kind, user_id, tenant_id, session_id,
        TIMESTAMPDIFF(SECOND, created_at, NOW(3)) AS age_s
      FROM security_events WHERE id > ? ORDER BY id LIMIT ?]], after_id, limit)
end

function M.purge(ctx)
  local scope = db.platform(ctx)
  scope:exec("DELETE FROM security_events WHERE created_at < NOW(3) - INTERVAL 1 HOUR LIMIT 5000")
  scope:exec(
    "DELETE FROM login_failures WHERE updated_at < NOW(3) - INTERVAL 7 DAY LIMIT 5000")
  return scope:exec(
    "DELETE FROM sessions WHERE expires_at < NOW(3) - INTERVAL 7 DAY LIMIT 5000").affected
end

return M
