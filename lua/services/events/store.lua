--- SQL of the outbox, the event log and the lease that says who numbers. The relay and the
-- followers serve all tenants, so it goes past the tenant check.

local db = require("core.db")

local M = {}

local EVENT = [[id, tenant_id, seq, event_id, event, resource_type, resource_id, actor, payload,
  personal, request_id, traceparent, occurred_at]]

function M.insert_outbox(ctx, row)
  db.platform(ctx):queue(
    [[INSERT INTO outbox (tenant_id, event_id, event, resource_type, resource_id, actor, payload,
        personal, request_id, traceparent, occurred_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NOW(3))]],
    row.tenant_id, row.event_id, row.event, row.resource_type, row.resource_id, row.actor,
    row.payload, row.personal, row.request_id, row.traceparent)
end

-- The lease -----------------------------------------------------------------

--- {holder, fencing_token, left_ms, has_outbox = 1 when there is something to number, else 0}, or
-- nil.
function M.find_lease(ctx, name)
  return db.platform(ctx):one(
    [[SELECT holder, fencing_token,
        TIMESTAMPDIFF(MICROSECOND, NOW(3), expires_at) / 1000 AS left_ms,
        EXISTS (SELECT 1 FROM outbox) AS has_outbox
      FROM leases WHERE name = ?]], name)
end

-- A lease is over when its time is; or when it would last far longer than any does: it is from
-- before the clock was set back, and its holder has not prolonged it since.
local OVER = "expires_at NOT BETWEEN NOW(3) AND NOW(3) + INTERVAL 2 * ? SECOND"

--- Takes the lease when it is free or run out, or prolongs one's own. MariaDB assigns from left
-- to right: the token is compared with the holder before, the expiry with the holder after.
function M.take_lease(ctx, name, holder, seconds)
  db.platform(ctx):exec(
    [[INSERT INTO leases (name, holder, fencing_token, expires_at)
      VALUES (?, ?, 1, NOW(3) + INTERVAL ? SECOND)
      ON DUPLICATE KEY UPDATE
        fencing_token = IF(holder <> VALUES(holder) AND ]] .. OVER .. [[,
          fencing_token + 1, fencing_token),
        holder = IF(]] .. OVER .. [[, VALUES(holder), holder),
        expires_at = IF(holder = VALUES(holder), VALUES(expires_at), expires_at)]],
    name, holder, seconds, seconds, seconds)
end

--- Locks the lease for this transaction; false when it is another's by now.
function M.lock_lease(ctx, name, holder, fencing_token)
  return db.platform(ctx):one(
    [[SELECT fencing_token FROM leases
      WHERE name = ? AND holder = ? AND fencing_token = ? FOR UPDATE]],
    name, holder, fencing_token) ~= nil
end

-- Numbering: all of it in one transaction that holds the lease ----------------------------

--- What the relay has not numbered yet: {rows_waiting= (counted up to `limit`), oldest_s=}.
function M.find_backlog(ctx, limit)
  return db.platform(ctx):one(
    [[SELECT (SELECT COUNT(*) FROM (SELECT id FROM outbox LIMIT ?) few) AS rows_waiting,
        COALESCE((SELECT TIMESTAMPDIFF(MICROSECOND, occurred_at, NOW(3)) FROM outbox
          ORDER BY id LIMIT 1), 0) / 1000000 AS oldest_s]], limit)
end

--- Copies the oldest committed outbox rows into the log, numbered on from each tenant's counter.
-- They are numbered by their ids alone: with payloads the server would do it on disk.
-- @return how many, the log id of the first
function M.number_outbox(ctx, limit)
  local done = db.platform(ctx):exec(
    [[INSERT INTO event_log (tenant_id, seq, event_id, event, resource_type, resource_id, actor,
        payload, personal, request_id, traceparent, occurred_at)
      SELECT o.tenant_id, COALESCE(c.seq, 0) + n.place, o.event_id, o.event, o.resource_type,
        o.resource_id, o.actor, o.payload, o.personal, o.request_id, o.traceparent, o.occurred_at
      FROM (SELECT f.id, ROW_NUMBER() OVER (PARTITION BY f.tenant_id ORDER BY f.id) AS place
        FROM (SELECT id, tenant_id FROM outbox ORDER BY id LIMIT ?) f) n
      JOIN outbox o ON o.id = n.id
      LEFT JOIN event_counters c ON c.tenant_id = o.tenant_id
      ORDER BY n.id]], limit)
  return done.affected, done.insert_id
end

--- Moves the tenants' counters up to what was numbered; goes with the end of the transaction, like
-- the next one.
function M.advance_counters(ctx, first_id)
  db.platform(ctx):queue(
    [[INSERT INTO event_counters (tenant_id, seq)
      SELECT tenant_id, MAX(seq) FROM event_log WHERE id >= ? GROUP BY tenant_id
      ON DUPLICATE KEY UPDATE seq = VALUES(seq)]], first_id)
end

--- Takes what was numbered out of the outbox.
function M.delete_numbered(ctx, first_id)
  db.platform(ctx):queue(
    [[DELETE o FROM outbox o
      JOIN event_log l ON l.tenant_id = o.tenant_id AND l.event_id = o.event_id
      WHERE l.id >= ?]], first_id)
end

-- Reading -------------------------------------------------------------------

--- Events after a position of the whole log, in the order in which they were numbered.
function M.list_after(ctx, id, limit)
  return db.platform(ctx):query(
    "SELECT " .. EVENT .. " FROM event_log WHERE id > ? ORDER BY id LIMIT ?", id, limit)
end

function M.last_id(ctx)
  return db.platform(ctx):one("SELECT COALESCE(MAX(id), 0) AS id FROM event_log").id
end

function M.list_of_tenant_after(ctx, tenant_id, seq, up_to_id, limit)
  return db.platform(ctx):query(
    "SELECT " .. EVENT .. [[ FROM event_log
      WHERE tenant_id = ? AND seq > ? AND id <= ? ORDER BY seq LIMIT ?]],
    tenant_id, seq, up_to_id, limit)
end

--- An event of the context's tenant, or nil.
function M.find(ctx, event_id)
  return db.scope(ctx):one(
    "SELECT " .. EVENT .. " FROM event_log WHERE tenant_id = :tenant AND event_id = ?", event_id)
end

--- The latest events of these names of the context's tenant, oldest first.
function M.list_latest(ctx, names, limit)
  local marks = ("?, "):rep(#names - 1) .. "?"
  local params = { unpack(names) }
  params[#params + 1] = limit
  local rows = db.scope(ctx):query("SELECT " .. EVENT .. [[ FROM event_log
      WHERE tenant_id = :tenant AND event IN (]] .. marks .. ") ORDER BY seq DESC LIMIT ?",
    unpack(params))
  table.sort(rows, function(a, b) return a.seq < b.seq end)
  return rows
end

--- The tenant's last number, as {seq}, or nil when it had no event yet.
function M.find_counter(ctx, tenant_id)
  return db.platform(ctx):one("SELECT seq FROM event_counters WHERE tenant_id = ?", tenant_id)
end

function M.find_age_s(ctx, tenant_id, seq)
  return db.platform(ctx):one(
    [[SELECT TIMESTAMPDIFF(SECOND, recorded_at, NOW(3)) AS age_s FROM event_log
      WHERE tenant_id = ? AND seq = ?]], tenant_id, seq)
end

--- Returns the id of a tenant's event by its number, or nil.
function M.find_id(ctx, tenant_id, seq)
  local row = db.platform(ctx):one("SELECT id FROM event_log WHERE tenant_id = ? AND seq = ?",
    tenant_id, seq)
  return row and row.id
end

function M.find_epoch(ctx)
  return db.platform(ctx):one("SELECT epoch FROM event_epochs ORDER BY id DESC LIMIT 1").epoch
end

--- Deletes what has been kept for so many days, oldest first. @return how many
function M.purge(ctx, days, limit)
  return db.platform(ctx):exec(
    [[DELETE FROM event_log WHERE recorded_at < NOW(3) - INTERVAL ? DAY
      ORDER BY recorded_at LIMIT ?]], days, limit).affected
end

return M
