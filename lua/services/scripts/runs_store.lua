--- SQL of what runs leave behind: their records, their effects, the failures of handlers, and dry
-- runs under way.

local new_table = require("table.new")
local db = require("core.db")
local time = require("core.time")

local M = {}

local RUN = [[r.id, r.release_number, r.file, r.hook, r.event, r.event_id, r.status, r.attempt,
  r.started_at, r.cpu_us, r.wall_us, r.memory_bytes, r.calls, r.log, r.warnings, r.error]]

-- Records -----------------------------------------------------------------------

local COLUMNS = { "id", "release_number", "file", "hook", "event", "event_id", "status", "attempt",
  "started_at", "cpu_us", "wall_us", "memory_bytes", "calls", "log", "warnings", "error" }
local INSERT = "INSERT INTO script_runs (tenant_id, " .. table.concat(COLUMNS, ", ") .. ") VALUES "
local VALUES = "(:tenant" .. (", ?"):rep(#COLUMNS) .. ")"

local inserts = {} -- how many rows -> the statement

local function insert_of(count)
  inserts[count] = inserts[count] or INSERT .. VALUES .. (", " .. VALUES):rep(count - 1)
  return inserts[count]
end

--- Writes records of the context's tenant, the first to the last of these, in one statement.
function M.insert_runs(ctx, rows, first, last)
  local params, count = new_table((last - first + 1) * #COLUMNS, 0), 0
  for i = first, last do
    for j = 1, #COLUMNS do
      count = count + 1
      params[count] = rows[i][COLUMNS[j]]
    end
  end
  db.scope(ctx):exec(insert_of(last - first + 1), unpack(params, 1, count))
end

local function filtered(filter)
  local conditions, params = {}, {}
  for _, name in ipairs({ "file", "status", "event_id" }) do
    local values = filter[name] or {}
    if #values > 0 then
      conditions[#conditions + 1] = (" AND r.%s IN (%s)"):format(name,
        ("?,"):rep(#values):sub(1, -2))
    end
    for _, value in ipairs(values) do
      params[#params + 1] = value
    end
  end
  return table.concat(conditions), params
end

--- One page of the records.
-- @param filter file, status, event_id: each an array of which one must fit, or nil
function M.list_runs(ctx, filter, page)
  local condition, params = filtered(filter)
  for _, value in ipairs(page.params) do
    params[#params + 1] = value
  end
  params[#params + 1] = page.fetch
  params[#params + 1] = page.offset
  return db.scope(ctx):query("SELECT " .. RUN .. [[ FROM script_runs r
      WHERE r.tenant_id = :tenant]] .. condition .. " AND " .. page.condition
    .. " ORDER BY " .. page.order .. " LIMIT ? OFFSET ?", unpack(params))
end

function M.count_runs(ctx, filter)
  local condition, params = filtered(filter)
  return db.scope(ctx):one("SELECT COUNT(*) AS runs FROM script_runs r WHERE r.tenant_id = :tenant"
    .. condition, unpack(params)).runs
end

function M.find_run(ctx, id)
  return db.scope(ctx):one("SELECT " .. RUN
    .. " FROM script_runs r WHERE r.tenant_id = :tenant AND r.id = ?", id)
end

--- Figures per hook since a time.
function M.sum_runs(ctx, since)
  return db.scope(ctx):query(
    [[SELECT file, hook, COUNT(*) AS runs,
        SUM(status = 'ok') AS ok, SUM(status = 'rejected') AS rejected,
        SUM(status = 'limit') AS limits, SUM(status IN ('error', 'retrying', 'dead')) AS errors,
        AVG(cpu_us) AS cpu_us, MAX(cpu_us) AS cpu_us_max, AVG(wall_us) AS wall_us,
        MAX(memory_bytes) AS memory_bytes, SUM(calls) AS calls, MAX(started_at) AS last_at
      FROM script_runs WHERE tenant_id = :tenant AND started_at >= ?
      GROUP BY file, hook ORDER BY file, hook LIMIT 1000]], since)
end

-- Effects -----------------------------------------------------------------------

--- Takes the place of an effect. Its transaction fails at its end, at the latest, when that was
-- taken before, and waits while another one that has taken it has not ended.
-- @param effect with began_at, the time by which its run goes
-- @param result JSON of what it gave back, where that need not be sealed
-- @param answers, persons what was read before it and what it gave back, sealed, and of whom that
--   tells; each of the three may be nil
function M.insert_effect(ctx, effect, result, answers, persons)
  db.scope(ctx):queue(
    [[INSERT INTO script_effects
        (tenant_id, cause, handler, ordinal, capability, digest, created_at, result, answers,
          persons)
      VALUES (:tenant, ?, ?, ?, ?, ?, ?, ?, ?, ?)]],
    effect.cause, effect.handler, effect.ordinal, effect.capability, effect.digest,
    time.db(effect.began_at), result, answers, persons)
end

--- What a handler has done because of a cause, in order.
-- @param origin cause, handler
function M.list_effects(ctx, origin)
  return db.scope(ctx):query(
    [[SELECT ordinal, capability, digest, result, answers, persons, ended, created_at
      FROM script_effects
      WHERE tenant_id = :tenant AND cause = ? AND handler = ? ORDER BY ordinal]],
    origin.cause, origin.handler)
end

function M.find_effect(ctx, effect)
  return db.scope(ctx):one(
    [[SELECT ordinal, capability, digest, result, answers, persons, ended FROM script_effects
      WHERE tenant_id = :tenant AND cause = ? AND handler = ? AND ordinal = ?]],
    effect.cause, effect.handler, effect.ordinal)
end

--- Notes that all is done, and forgets what was read and given for it.
-- @param origin cause, handler
function M.end_effects(ctx, origin)
  db.scope(ctx):exec(
    [[UPDATE script_effects SET result = NULL, answers = NULL, persons = NULL, ended = TRUE
      WHERE tenant_id = :tenant AND cause = ? AND handler = ?]], origin.cause, origin.handler)
end

-- Failures ----------------------------------------------------------------------

--- Counts a failure. @return how many it is running
function M.count_failure(ctx, handler)
  db.scope(ctx):exec(
    [[INSERT INTO script_failures (tenant_id, handler, failures, failed_at)
      VALUES (:tenant, ?, 1, NOW(3))
      ON DUPLICATE KEY UPDATE failures = failures + 1, failed_at = NOW(3)]], handler)
  return db.scope(ctx):one(
    "SELECT failures FROM script_failures WHERE tenant_id = :tenant AND handler = ?",
    handler).failures
end

function M.forget_failures(ctx, handler)
  db.scope(ctx):exec("DELETE FROM script_failures WHERE tenant_id = :tenant AND handler = ?",
    handler)
end

--- Forgets those of all handlers of a file.
function M.forget_failures_of(ctx, path)
  db.scope(ctx):exec([[DELETE FROM script_failures
    WHERE tenant_id = :tenant AND SUBSTRING_INDEX(handler, ':', 1) = ?]], path)
end

-- Dry runs under way ------------------------------------------------------------

function M.insert_trial(ctx, id, request)
  db.scope(ctx):exec(
    "INSERT INTO script_trials (id, tenant_id, request, created_by) VALUES (?, :tenant, ?, ?)",
    id, request, ctx.actor.user_id)
end

function M.find_trial(ctx, id)
  return db.scope(ctx):one(
    [[SELECT id, state, request, answer, created_at FROM script_trials
      WHERE tenant_id = :tenant AND id = ?]], id)
end

function M.end_trial(ctx, id, state, answer)
  db.scope(ctx):exec(
    "UPDATE script_trials SET state = ?, answer = ? WHERE tenant_id = :tenant AND id = ?",
    state, answer, id)
end

return M
