--- SQL of the queue. Workers serve all tenants, so it goes past the tenant check.
--
-- Times are the database's own: workers on machines with other clocks agree on what is due.

local db = require("core.db")

local M = {}

local JOB = [[id, tenant_id, queue, name, payload, priority, state, run_at, attempts, max_attempts,
  progress, result, last_error, created_by, request_id, traceparent, started_at, finished_at,
  created_at]]

--- Inserts a job; false when one with the same unique key waits or runs.
function M.insert(ctx, job)
  local done = db.platform(ctx):exec(
    [[INSERT INTO jobs (id, tenant_id, queue, name, payload, priority, unique_key, run_at,
        max_attempts, created_by, request_id, traceparent)
      VALUES (?, ?, ?, ?, ?, ?, ?, COALESCE(?, NOW(3)), ?, ?, ?, ?)
      ON DUPLICATE KEY UPDATE id = id]],
    job.id, job.tenant_id, job.queue, job.name, job.payload, job.priority, job.unique_key,
    job.run_at, job.max_attempts, job.created_by, job.request_id, job.traceparent)
  return done.affected == 1
end

function M.find_live(ctx, unique_key)
  return db.platform(ctx):one("SELECT id FROM jobs WHERE live_key = ?", unique_key)
end

function M.find(ctx, id)
  return db.platform(ctx):one("SELECT " .. JOB .. " FROM jobs WHERE id = ?", id)
end

--- The waiting jobs' queues and priorities with the time until the first is due (negative: due).
-- The index answers it group by group, however long the queue is.
function M.find_due(ctx)
  return db.platform(ctx):query(
    [[SELECT queue, priority, TIMESTAMPDIFF(MICROSECOND, NOW(3), MIN(run_at)) / 1000 AS due_ms
      FROM jobs WHERE state = 'waiting' GROUP BY queue, priority ORDER BY priority, queue]])
end

--- Locks up to `limit` due jobs that no other worker is taking right now.
function M.lock_due(ctx, queue, priority, limit)
  return db.platform(ctx):query(
    "SELECT " .. JOB .. [[ FROM jobs
      WHERE state = 'waiting' AND queue = ? AND priority = ? AND run_at <= NOW(3)
      ORDER BY run_at LIMIT ? FOR UPDATE SKIP LOCKED]], queue, priority, limit)
end

function M.start(ctx, id, holder, lock_s)
  db.platform(ctx):exec(
    [[UPDATE jobs SET state = 'running', attempts = attempts + 1, locked_by = ?,
        locked_until = NOW(3) + INTERVAL ? SECOND, started_at = NOW(3) WHERE id = ?]],
    holder, lock_s, id)
end

-- A worker that lost its lock (it slept, another took over) must not write: each statement below
-- names the attempt that it speaks for.
local MINE = " WHERE id = ? AND state = 'running' AND locked_by = ? AND attempts = ?"

function M.keep(ctx, job, lock_s)
  return db.platform(ctx):exec(
    "UPDATE jobs SET locked_until = NOW(3) + INTERVAL ? SECOND" .. MINE,
    lock_s, job.id, job.holder, job.attempts).affected == 1
end

function M.set_progress(ctx, job, progress)
  db.platform(ctx):exec("UPDATE jobs SET progress = ?" .. MINE,
    progress, job.id, job.holder, job.attempts)
end

function M.finish(ctx, job, result)
  db.platform(ctx):exec(
    [[UPDATE jobs SET state = 'done', finished_at = NOW(3), locked_by = NULL, locked_until = NULL,
        last_error = NULL, result = ?]] .. MINE, result, job.id, job.holder, job.attempts)
end

function M.retry(ctx, job, problem, delay_ms)
  db.platform(ctx):exec(
    [[UPDATE jobs SET state = 'waiting', run_at = NOW(3) + INTERVAL ? MICROSECOND,
        locked_by = NULL, locked_until = NULL, last_error = ?]] .. MINE,
    delay_ms * 1000, problem, job.id, job.holder, job.attempts)
end

function M.bury(ctx, job, problem)
  db.platform(ctx):exec(
    [[UPDATE jobs SET state = 'dead', finished_at = NOW(3), locked_by = NULL, locked_until = NULL,
        last_error = ?]] .. MINE, problem, job.id, job.holder, job.attempts)
end

--- Puts a job back as if it had not been taken.
function M.give_back(ctx, job, delay_s)
  db.platform(ctx):exec(
    [[UPDATE jobs SET state = 'waiting', run_at = NOW(3) + INTERVAL ? SECOND, locked_by = NULL,
        locked_until = NULL, started_at = NULL, attempts = attempts - 1]]
    .. MINE, delay_s, job.id, job.holder, job.attempts)
end

-- The lock has run out; or it would last far longer than any does: it is from before the clock was
-- set back.
local LOST = "state = 'running'"
  .. " AND locked_until NOT BETWEEN NOW(3) AND NOW(3) + INTERVAL 2 * ? SECOND"

--- Jobs whose worker has not been heard of: back into the queue, or dead after too many tries.
-- @param lock_s how long a lock lasts
function M.recover(ctx, default_max, lock_s)
  local scope = db.platform(ctx)
  local buried = scope:exec(
    [[UPDATE jobs SET state = 'dead', finished_at = NOW(3), locked_by = NULL, locked_until = NULL,
        last_error = 'the worker died on the last attempt'
      WHERE ]] .. LOST .. " AND attempts >= COALESCE(max_attempts, ?)",
    lock_s, default_max).affected
  local freed = scope:exec(
    [[UPDATE jobs SET state = 'waiting', run_at = NOW(3), locked_by = NULL, locked_until = NULL,
        last_error = 'the worker died'
      WHERE ]] .. LOST, lock_s).affected
  return buried + freed
end

--- Lets a dead job, or all of them, wait again with all attempts before them.
function M.revive(ctx, id)
  return db.platform(ctx):exec(
    [[UPDATE jobs SET state = 'waiting', attempts = 0, run_at = NOW(3), finished_at = NULL
      WHERE state = 'dead' AND (? IS NULL OR id = ?)]], id, id).affected
end

function M.count_by_state(ctx)
  return db.platform(ctx):query("SELECT state, COUNT(*) AS jobs FROM jobs GROUP BY state")
end

--- What waits and is due: {due=, oldest_s=}.
function M.find_backlog(ctx)
  return db.platform(ctx):one(
    [[SELECT COUNT(*) AS due,
        COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(run_at), NOW(3)), 0) / 1000000 AS oldest_s
      FROM jobs WHERE state = 'waiting' AND run_at <= NOW(3)]])
end

function M.purge(ctx, done_hours, dead_days)
  local scope = db.platform(ctx)
  return scope:exec(
    [[DELETE FROM jobs WHERE state = 'done' AND finished_at < NOW(3) - INTERVAL ? HOUR
      LIMIT 5000]], done_hours).affected + scope:exec(
    [[DELETE FROM jobs WHERE state = 'dead' AND finished_at < NOW(3) - INTERVAL ? DAY
      LIMIT 5000]], dead_days).affected
end

--- Declares recurring work; a changed period takes effect, the next run stays.
function M.put_schedule(ctx, schedule)
  db.platform(ctx):exec(
    [[INSERT INTO schedules (name, job, payload, every_ms, next_run_at)
      VALUES (?, ?, ?, ?, NOW(3) + INTERVAL ? MICROSECOND)
      ON DUPLICATE KEY UPDATE job = VALUES(job), payload = VALUES(payload),
        next_run_at = IF(every_ms = VALUES(every_ms), next_run_at, VALUES(next_run_at)),
        every_ms = VALUES(every_ms)]],
    schedule.name, schedule.job, schedule.payload, schedule.every_ms, schedule.every_ms * 1000)
end

--- Those whose time has come; or is further away than their period: the clock was set back.
function M.lock_due_schedules(ctx)
  return db.platform(ctx):query(
    [[SELECT name, job, payload, every_ms FROM schedules
      WHERE is_active = TRUE AND every_ms IS NOT NULL
        AND (next_run_at <= NOW(3)
          OR next_run_at > NOW(3) + INTERVAL 2 * every_ms * 1000 MICROSECOND)
      ORDER BY next_run_at LIMIT 100 FOR UPDATE SKIP LOCKED]])
end

--- Moves a schedule past now; periods that were missed are not made up for.
function M.advance_schedule(ctx, name)
  db.platform(ctx):exec(
    [[UPDATE schedules SET last_run_at = NOW(3),
        next_run_at = LEAST(NOW(3) + INTERVAL every_ms * 1000 MICROSECOND,
          GREATEST(next_run_at + INTERVAL every_ms * 1000 MICROSECOND, NOW(3)))
      WHERE name = ?]], name)
end

return M
