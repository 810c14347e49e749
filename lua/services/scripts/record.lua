--- The records of runs. They are gathered and written in batches: a hook in a request does not wait
-- for its record. All runs have one, unless there are more than can be written: then what there is
-- no room for is counted, and those with a fault or a log have the last of it. What a process had
-- not written when it was killed is missing; effects are kept elsewhere.

local background = require("core.background")
local context = require("core.context")
local json = require("core.json")
local log = require("core.log")
local metrics = require("core.metrics")
local task = require("core.task")
local time = require("core.time")
local uuid = require("core.uuid")
local store = require("services.scripts.runs_store")

local M = {}

M.BELL = "script_runs"

local EVERY_MS, GATHER_MS = 1000, 100
local BATCH = 64 -- rows of one statement; of fewer 32, 16, ... 1: few statements are to be known
-- What may wait for being written: in this worker, with what is being written; and of one tenant.
local MAX = { rows = 10000, bytes = 16 * 1024 * 1024 }
local TENANT_MAX = { rows = 4000, bytes = 4 * 1024 * 1024 }
local PLAIN_SHARE = 0.8 -- of both, for runs without a fault or a log

local waiting = {} -- tenant id -> {list = its rows, rows = how many, bytes = of their texts}
local held = { rows = 0, bytes = 0 }
local loop -- while started

local function left_out(count)
  metrics.add(metrics.counter("fixxit_script_runs_unrecorded_total",
    "Runs of which no record was kept: there were too many, or the database did not take them."),
    count)
end

local function has_room(used, max, share)
  return used.rows < max.rows * share and used.bytes < max.bytes * share
end

local function add(used, rows, bytes)
  used.rows, used.bytes = used.rows + rows, used.bytes + bytes
end

local function encode(value)
  return value and next(value) ~= nil and json.encode(value) or nil
end

local function row_of(release, outcome, options)
  return {
    id = uuid.v7(),
    release_number = release.number,
    file = outcome.hook.file,
    hook = outcome.hook.key,
    event = options.event,
    event_id = options.event_id,
    status = outcome.status,
    attempt = options.attempt or 1,
    started_at = time.db(outcome.started_at),
    cpu_us = outcome.cpu_us,
    wall_us = outcome.wall_us,
    memory_bytes = outcome.memory,
    calls = outcome.calls,
    log = encode(outcome.log),
    warnings = encode(outcome.warnings),
    error = encode(outcome.error),
  }
end

local function size_of(row)
  return #(row.log or "") + #(row.warnings or "") + #(row.error or "")
end

--- Notes how a run ended; never waits.
-- @param release whose hook ran
-- @param outcome of services.scripts.run
-- @param options event, event_id, attempt
-- @return the id of the record, nil when there will be none
function M.add(tenant_id, release, outcome, options)
  local own = waiting[tenant_id]
  if not own then
    own = { list = {}, rows = 0, bytes = 0 }
    waiting[tenant_id] = own
  end
  local share = outcome.status == "ok" and #outcome.log == 0 and PLAIN_SHARE or 1
  if not (has_room(held, MAX, share) and has_room(own, TENANT_MAX, share)) then
    left_out(1)
    return nil
  end
  local row = row_of(release, outcome, options)
  local bytes = size_of(row)
  own.list[own.rows + 1] = row
  add(own, 1, bytes)
  add(held, 1, bytes)
  if loop then
    loop:wake()
  end
  return row.id
end

local function write_batch(ctx, rows, first, last)
  local ok, err = pcall(store.insert_runs, ctx, rows, first, last)
  if not ok then
    left_out(last - first + 1)
    log.warn(ctx, "records of runs are lost", { runs = last - first + 1, error = tostring(err) })
  end
  for i = first, last do
    add(held, -1, -size_of(rows[i]))
  end
end

local function write(tenant_id, rows)
  local ctx = context.system({ name = "scripts", tenant = { id = tenant_id } })
  local first, size = 1, BATCH
  while rows[first] do
    while rows[first + size - 1] == nil do
      size = size / 2
    end
    write_batch(ctx, rows, first, first + size - 1)
    first = first + size
  end
end

--- Writes what is waiting. @return whether there was anything
function M.flush()
  local taken, had_any = waiting, false
  waiting = {}
  for tenant_id, own in pairs(taken) do
    had_any = had_any or own.rows > 0
    write(tenant_id, own.list)
  end
  if had_any then
    background.ring(M.BELL)
  end
  return had_any
end

local function turn()
  if next(waiting) then
    task.sleep(GATHER_MS)
    M.flush()
  end
end

function M.start()
  loop = background.start({ name = "records of runs", every_ms = EVERY_MS, step = turn })
end

function M.stop()
  loop:stop()
  loop = nil
  task.spawn(M.flush)
end

return M
