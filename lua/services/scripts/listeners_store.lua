--- SQL for all tenants together: who listens, and what is old. The relay and the housekeeping serve
-- every tenant, so it goes past the tenant check.

local db = require("core.db")

local M = {}

--- Which of these tenants have a release that runs: their ids with the version of what does.
function M.find_listening(ctx, tenant_ids)
  local versions = {}
  for _, row in ipairs(db.platform(ctx):query(
    [[SELECT tenant_id, version FROM script_active
      WHERE (release_id IS NOT NULL OR canary_id IS NOT NULL) AND tenant_id IN (]]
      .. ("?, "):rep(#tenant_ids - 1) .. "?)", unpack(tenant_ids))) do
    versions[row.tenant_id] = row.version
  end
  return versions
end

local RUN = [[seq, tenant_id, id, release_number, file, hook, event, event_id, status, attempt,
  started_at, cpu_us, wall_us, memory_bytes, calls, log, warnings, error]]

--- The place of the latest record of a run, 0 when there is none.
function M.last_run(ctx)
  return db.platform(ctx):one("SELECT COALESCE(MAX(seq), 0) AS seq FROM script_runs").seq
end

--- The records after a place, in the order in which they were written.
function M.list_runs_after(ctx, seq, limit)
  return db.platform(ctx):query("SELECT " .. RUN
    .. " FROM script_runs WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
end

--- Deletes what has been kept long enough. @return how many rows
function M.purge(ctx, days, limit)
  local scope = db.platform(ctx)
  return scope:exec(
    [[DELETE FROM script_runs WHERE started_at < NOW(3) - INTERVAL ? DAY
      ORDER BY started_at LIMIT ?]], days.runs, limit).affected + scope:exec(
    [[DELETE FROM script_effects WHERE created_at < NOW(3) - INTERVAL ? DAY
      ORDER BY created_at LIMIT ?]], days.effects, limit).affected + scope:exec(
    [[DELETE FROM script_trials WHERE created_at < NOW(3) - INTERVAL ? DAY
      ORDER BY created_at LIMIT ?]], days.trials, limit).affected
end

return M
