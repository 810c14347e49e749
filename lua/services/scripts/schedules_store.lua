--- SQL of tenants' schedules. The loop that runs them serves all tenants.

local db = require("core.db")
local time = require("core.time")

local M = {}

local COLUMNS = "tenant_id, name, cron, timezone, next_run_at, last_run_at"

--- The schedules of the context's tenant, locked until the transaction ends.
function M.lock_all(ctx)
  return db.scope(ctx):query("SELECT " .. COLUMNS
    .. " FROM script_schedules WHERE tenant_id = :tenant ORDER BY name FOR UPDATE")
end

--- @param row name, cron, timezone, next_ms
function M.put(ctx, row)
  db.scope(ctx):exec(
    [[INSERT INTO script_schedules (tenant_id, name, cron, timezone, next_run_at)
      VALUES (:tenant, ?, ?, ?, ?)
      ON DUPLICATE KEY UPDATE cron = VALUES(cron), timezone = VALUES(timezone),
        next_run_at = VALUES(next_run_at)]],
    row.name, row.cron, row.timezone, time.db(row.next_ms))
end

function M.delete(ctx, name)
  db.scope(ctx):exec("DELETE FROM script_schedules WHERE tenant_id = :tenant AND name = ?", name)
end

--- Locks schedules whose time has come, of any tenant, that nobody else is at right now.
function M.lock_due(ctx, limit)
  return db.platform(ctx):query("SELECT " .. COLUMNS .. [[ FROM script_schedules
    WHERE next_run_at <= NOW(3) ORDER BY next_run_at LIMIT ? FOR UPDATE SKIP LOCKED]], limit)
end

--- Moves a schedule on. @param ran_ms the time that it ran for, or nil: it did not
function M.advance(ctx, row, next_ms, timezone, ran_ms)
  db.platform(ctx):exec(
    [[UPDATE script_schedules SET next_run_at = ?, timezone = ?,
        last_run_at = COALESCE(?, last_run_at) WHERE tenant_id = ? AND name = ?]],
    time.db(next_ms), timezone, time.db(ran_ms), row.tenant_id, row.name)
end

--- The tenants that have schedules found by another clock than theirs is now.
function M.find_moved(ctx)
  return db.platform(ctx):query(
    [[SELECT DISTINCT s.tenant_id FROM script_schedules s JOIN tenants t ON t.id = s.tenant_id
      WHERE s.timezone <> t.timezone LIMIT 100]])
end

return M
