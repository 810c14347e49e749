--- SQL of one-time tokens, second factors and recovery codes. They are an account's, which belongs
-- to no tenant.

local db = require("core.db")

local M = {}

-- One-time tokens -------------------------------------------------------------

function M.insert_one_time_token(ctx, row)
  db.platform(ctx):exec(
    [[INSERT INTO one_time_tokens (token_hash, purpose, user_id, data, expires_at)
      VALUES (?, ?, ?, ?, NOW(3) + INTERVAL ? SECOND)]],
    row.hash, row.purpose, row.user_id, row.data, row.ttl_s)
end

function M.find_one_time_token(ctx, hash, purpose)
  return db.platform(ctx):one(
    [[SELECT user_id, data, used_at, TIMESTAMPDIFF(SECOND, NOW(3), expires_at) AS left_s
      FROM one_time_tokens WHERE token_hash = ? AND purpose = ?]], hash, purpose)
end

--- Marks it as used; false when it is already, or too old.
function M.use_one_time_token(ctx, hash, purpose)
  return db.platform(ctx):exec(
    [[UPDATE one_time_tokens SET used_at = NOW(3)
      WHERE token_hash = ? AND purpose = ? AND used_at IS NULL AND expires_at > NOW(3)]],
    hash, purpose).affected == 1
end

--- Ends all of a user's that are still good.
function M.end_one_time_tokens(ctx, user_id)
  db.platform(ctx):exec(
    "UPDATE one_time_tokens SET used_at = NOW(3) WHERE user_id = ? AND used_at IS NULL", user_id)
end

--- How many a user was given within the last hour.
function M.count_recent_tokens(ctx, user_id, purpose)
  return db.platform(ctx):one(
    [[SELECT COUNT(*) AS given FROM one_time_tokens
      WHERE user_id = ? AND purpose = ? AND created_at > NOW(3) - INTERVAL 1 HOUR]],
    user_id, purpose).given
end

function M.purge_one_time_tokens(ctx)
  return db.platform(ctx):exec(
    "DELETE FROM one_time_tokens WHERE expires_at < NOW(3) - INTERVAL 1 DAY LIMIT 5000").affected
end

-- The second factor -----------------------------------------------------------

--- {mfa_enabled, mfa_secret (sealed), mfa_last_step}, locked: attempts run one after the other.
function M.lock_factor(ctx, user_id)
  return db.platform(ctx):one(
    [[SELECT mfa_enabled, mfa_secret, mfa_last_step FROM users
      WHERE id = ? AND deleted_at IS NULL FOR UPDATE]], user_id)
end

--- Keeps a secret that is not in force yet. @return whether it did: not while another one is
function M.set_factor_secret(ctx, user_id, sealed_secret)
  return db.platform(ctx):exec(
    [[UPDATE users SET mfa_secret = ?, mfa_last_step = NULL
      WHERE id = ? AND mfa_enabled = FALSE]], sealed_secret, user_id).affected == 1
end

function M.enable_factor(ctx, user_id, step)
  db.platform(ctx):exec(
    "UPDATE users SET mfa_enabled = TRUE, mfa_last_step = ? WHERE id = ?", step, user_id)
end

function M.set_factor_step(ctx, user_id, step)
  db.platform(ctx):exec("UPDATE users SET mfa_last_step = ? WHERE id = ?", step, user_id)
end

function M.remove_factor(ctx, user_id)
  local scope = db.platform(ctx)
  scope:exec([[UPDATE users SET mfa_enabled = FALSE, mfa_secret = NULL, mfa_last_step = NULL
    WHERE id = ?]], user_id)
  scope:exec("DELETE FROM recovery_codes WHERE user_id = ?", user_id)
end

function M.put_recovery_codes(ctx, user_id, hashes)
  local scope = db.platform(ctx)
  scope:exec("DELETE FROM recovery_codes WHERE user_id = ?", user_id)
  for _, hash in ipairs(hashes) do
    scope:exec("INSERT INTO recovery_codes (user_id, code_hash) VALUES (?, ?)", user_id, hash)
  end
end

--- Marks a code as used; false when it is not one of the user's, or was used.
function M.use_recovery_code(ctx, user_id, hash)
  return db.platform(ctx):exec(
    [[UPDATE recovery_codes SET used_at = NOW(3)
      WHERE user_id = ? AND code_hash = ? AND used_at IS NULL]], user_id, hash).affected == 1
end

function M.count_recovery_codes(ctx, user_id)
  return db.platform(ctx):one(
    "SELECT COUNT(*) AS left_over FROM recovery_codes WHERE user_id = ? AND used_at IS NULL",
    user_id).left_over
end

return M
