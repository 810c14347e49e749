--- SQL of messages. Those about an account belong to no tenant, and a delivery is found by its id
-- alone: so it goes past the tenant check.

local db = require("core.db")
local time = require("core.time")

local M = {}

--- Inserts a notification; false when its idempotency key was used before.
function M.insert_notification(ctx, row)
  return db.platform(ctx):exec(
    [[INSERT INTO notifications (id, user_id, tenant_id, type, title, message, data,
        idempotency_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      ON DUPLICATE KEY UPDATE id = id]],
    row.id, row.user_id, row.tenant_id, row.type, row.title, row.message, row.data,
    row.idempotency_key).affected == 1
end

--- Inserts a delivery; false when its idempotency key was used before.
function M.insert_delivery(ctx, row)
  return db.platform(ctx):exec(
    [[INSERT INTO notification_deliveries (id, notification_id, user_id, channel, type,
        idempotency_key, content, digest_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      ON DUPLICATE KEY UPDATE id = id]],
    row.id, row.notification_id, row.user_id, row.channel, row.type, row.idempotency_key,
    row.content, row.digest_at).affected == 1
end

--- A delivery that was not sent yet, or nil.
function M.find_waiting(ctx, id)
  return db.platform(ctx):one(
    [[SELECT id, channel, type, content FROM notification_deliveries
      WHERE id = ? AND state = 'waiting']], id)
end

--- What waits for a person's digest of that time (ms) or of one before, oldest first.
function M.list_for_digest(ctx, user_id, at_ms, limit)
  return db.platform(ctx):query(
    [[SELECT id, channel, type, content FROM notification_deliveries
      WHERE user_id = ? AND digest_at <= ? AND state = 'waiting' ORDER BY id LIMIT ?]],
    user_id, time.db(at_ms), limit)
end

function M.set_sent(ctx, id)
  db.platform(ctx):exec(
    [[UPDATE notification_deliveries SET state = 'sent', sent_at = NOW(3),
        attempts = attempts + 1, error = NULL, content = NULL WHERE id = ?]], id)
end

--- An attempt that failed; `final`: there will be no other.
function M.set_failed(ctx, id, problem, final)
  db.platform(ctx):exec(
    [[UPDATE notification_deliveries SET attempts = attempts + 1, error = ?,
        content = IF(?, NULL, content), state = IF(?, 'failed', state) WHERE id = ?]],
    problem, final, final, id)
end

function M.insert_message(ctx, row)
  db.platform(ctx):exec(
    [[INSERT INTO mailbox_messages (id, channel, recipient, subject, text, html)
      VALUES (?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE id = id]],
    row.id, row.channel, row.to, row.subject, row.text, row.html)
end

--- The mailbox, newest first. @param to a recipient, or nil for all
function M.list_messages(ctx, to, limit)
  return db.platform(ctx):query(
    [[SELECT id, channel, recipient, subject, text, html, sent_at FROM mailbox_messages
      WHERE ? IS NULL OR recipient = ? ORDER BY sent_at DESC, id DESC LIMIT ?]], to, to, limit)
end

function M.delete_messages(ctx)
  return db.platform(ctx):exec("DELETE FROM mailbox_messages").affected
end

function M.list_of(ctx, user_id)
  return db.platform(ctx):query(
    [[SELECT id, type, title, message, data, read_at, created_at FROM notifications
      WHERE user_id = ? ORDER BY created_at, id]], user_id)
end

--- Removes whatever was written to a user.
function M.delete_of(ctx, user_id)
  local scope = db.platform(ctx)
  scope:exec("DELETE FROM notification_deliveries WHERE user_id = ?", user_id)
  scope:exec("DELETE FROM notifications WHERE user_id = ?", user_id)
end

--- Removes what is over. @return how many rows
function M.purge(ctx, days)
  local scope = db.platform(ctx)
  return scope:exec([[DELETE FROM notification_deliveries
      WHERE state <> 'waiting' AND created_at < NOW(3) - INTERVAL ? DAY LIMIT 5000]], days).affected
    + scope:exec("DELETE FROM notifications WHERE expires_at < NOW(3) LIMIT 5000").affected
    + scope:exec([[DELETE FROM mailbox_messages
      WHERE sent_at < NOW(3) - INTERVAL ? DAY LIMIT 5000]], days).affected
end

return M
