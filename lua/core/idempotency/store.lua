-- SQL of idempotency_keys. A row belongs to no tenant: its scope is a hash that names the caller.
-- Times are the database's own, so nodes with other clocks agree on who may take over.

local db = require("core.db")

local M = {}

local KEEP_HOURS = 24
local PURGE_BATCH = 5000

--- Takes a key that nobody used. @return false when somebody did
function M.insert(ctx, claim, lease_s)
  return db.platform(ctx):exec(
    [[INSERT INTO idempotency_keys (scope, request_hash, owner, locked_until, expires_at)
      VALUES (?, ?, ?, NOW(3) + INTERVAL ? SECOND, NOW(3) + INTERVAL ? HOUR)
      ON DUPLICATE KEY UPDATE scope = scope]],
    claim.scope, claim.request_hash, claim.owner, lease_s, KEEP_HOURS).affected == 1
end

--- The row with is_expired (older than a day) and is_abandoned (its owner's time is over), or nil.
function M.find(ctx, scope)
  local row = db.platform(ctx):one(
    [[SELECT request_hash, owner, state, status, headers, body, expires_at <= NOW(3) AS expired,
        locked_until <= NOW(3) AS abandoned
      FROM idempotency_keys WHERE scope = ?]], scope)
  if row then
    row.is_expired = row.expired == 1
    row.is_abandoned = row.state == "running" and row.abandoned == 1
  end
  return row
end

--- Takes the key over from `former`, who must still be its owner, and whose answer, if there is
-- one, must be older than a day. @return whether that succeeded
function M.take_over(ctx, claim, former, lease_s)
  return db.platform(ctx):exec(
    [[UPDATE idempotency_keys
      SET request_hash = ?, owner = ?, state = 'running', status = NULL, headers = NULL,
        body = NULL, locked_until = NOW(3) + INTERVAL ? SECOND, created_at = NOW(3),
        expires_at = NOW(3) + INTERVAL ? HOUR
      WHERE scope = ? AND owner = ?
        AND (expires_at <= NOW(3) OR state = 'running' AND locked_until <= NOW(3))]],
    claim.request_hash, claim.owner, lease_s, KEEP_HOURS, claim.scope, former).affected == 1
end

--- Keeps the answer. @return false when the claim was taken over
function M.complete(ctx, claim, status, headers, body)
  return db.platform(ctx):exec(
    [[UPDATE idempotency_keys SET state = 'done', status = ?, headers = ?, body = ?
      WHERE scope = ? AND owner = ? AND state = 'running']],
    status, headers, body, claim.scope, claim.owner).affected == 1
end

--- Gives the key back. @return false when the claim was taken over
function M.release(ctx, claim)
  return db.platform(ctx):exec(
    "DELETE FROM idempotency_keys WHERE scope = ? AND owner = ? AND state = 'running'",
    claim.scope, claim.owner).affected == 1
end

--- @return how many rows went
function M.purge(ctx)
  return db.platform(ctx):exec("DELETE FROM idempotency_keys WHERE expires_at < NOW(3) LIMIT "
    .. PURGE_BATCH).affected
end

return M
