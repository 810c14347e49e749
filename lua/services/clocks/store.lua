--- SQL of a tenant's clocks. Times are milliseconds both ways.

local db = require("core.db")
local time = require("core.time")

local M = {}

local COLUMNS = [[id, tenant_id, kind, name, resource_type, resource_id, state, since, elapsed_ms,
  target_ms, mark, next_due_at, attempts]]

local function decode(row)
  if row then
    row.since_ms = time.parse(row.since)
    row.next_due_ms = row.next_due_at and time.parse(row.next_due_at)
  end
  return row
end

local function decode_all(rows)
  for _, row in ipairs(rows) do
    decode(row)
  end
  return rows
end

--- Inserts a running clock; it goes with the transaction's other changes.
function M.insert(ctx, clock)
  db.scope(ctx):queue([[INSERT INTO sla_clocks (id, tenant_id, kind, name, resource_type,
      resource_id, since, elapsed_ms, target_ms, mark, next_due_at, wake_at)
    VALUES (?, :tenant, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)]],
    clock.id, clock.kind, clock.name, clock.resource_type, clock.resource_id,
    time.db(clock.since_ms), clock.elapsed_ms, clock.target_ms, clock.mark,
    time.db(clock.next_due_ms), time.db(clock.next_due_ms))
end

--- Writes a locked clock as it is now; whoever tried a step begins anew.
function M.update(ctx, clock)
  db.scope(ctx):exec([[UPDATE sla_clocks SET state = ?, since = ?, elapsed_ms = ?, target_ms = ?,
      mark = ?, next_due_at = ?, wake_at = ?, attempts = 0, last_error = ?
    WHERE tenant_id = :tenant AND id = ?]],
    clock.state, time.db(clock.since_ms), clock.elapsed_ms, clock.target_ms, clock.mark,
    time.db(clock.next_due_ms), time.db(clock.next_due_ms), clock.last_error, clock.id)
end

--- Writes a locked clock that does not run now; whoever tries a step of it goes on.
function M.halt(ctx, clock)
  db.scope(ctx):exec([[UPDATE sla_clocks SET state = ?, since = ?, elapsed_ms = ?, next_due_at = ?
    WHERE tenant_id = :tenant AND id = ?]],
    clock.state, time.db(clock.since_ms), clock.elapsed_ms, time.db(clock.next_due_ms), clock.id)
end

local ONE = "SELECT " .. COLUMNS .. " FROM sla_clocks WHERE tenant_id = :tenant AND id = ?"

--- Returns a clock, or nil.
function M.get(ctx, id)
  return decode(db.scope(ctx):one(ONE, id))
end

--- Locks a clock until the transaction ends, and returns it, or nil.
function M.lock(ctx, id)
  return decode(db.scope(ctx):one(ONE .. " FOR UPDATE", id))
end

--- Locks the clocks of a resource until the transaction ends, and returns them.
function M.lock_of(ctx, resource_type, resource_id)
  return decode_all(db.scope(ctx):query("SELECT " .. COLUMNS .. [[ FROM sla_clocks
    WHERE tenant_id = :tenant AND resource_id = ? AND resource_type = ? ORDER BY id FOR UPDATE]],
    resource_id, resource_type))
end

--- Returns the clocks of a resource.
function M.list_of(ctx, resource_type, resource_id)
  return decode_all(db.scope(ctx):query("SELECT " .. COLUMNS .. [[ FROM sla_clocks
    WHERE tenant_id = :tenant AND resource_id = ? AND resource_type = ? ORDER BY id]],
    resource_id, resource_type))
end

--- Returns the running clock of the tenant whose next step is due first, up to a time, or nil.
function M.find_first_due(ctx, until_ms)
  return decode(db.scope(ctx):one("SELECT " .. COLUMNS .. [[ FROM sla_clocks
    WHERE tenant_id = :tenant AND state = 'running' AND next_due_at <= ?
    ORDER BY next_due_at, id LIMIT 1]], time.db(until_ms)))
end

--- Returns running clocks of the tenant after an id, in order.
-- @param kind nil: of all kinds
function M.list_running(ctx, kind, after_id, limit)
  return decode_all(db.scope(ctx):query("SELECT " .. COLUMNS .. [[ FROM sla_clocks
    WHERE tenant_id = :tenant AND state = 'running' AND kind = COALESCE(?, kind) AND id > ?
    ORDER BY id LIMIT ?]], kind, after_id, limit))
end

--- SQL that is true when a step of the clocks of a thing was taken.
-- @param id SQL of the thing's id, in a statement that is bound by :tenant
function M.select_taken(resource_type, id)
  return ([[EXISTS (SELECT 1 FROM sla_clocks k WHERE k.tenant_id = :tenant
    AND k.resource_type = '%s' AND k.resource_id = %s AND k.mark > 0)]]):format(resource_type, id)
end

return M
