--- The records of runs. They are gathered and written in batches: a hook in a request does not wait
-- for its record. What a process had not written when it was killed is missing; effects are kept
-- elsewhere.

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
local BATCH = 100 -- rows of one statement
local WAITING_MAX = 5000
local OK_MAX, TENANT_MAX = 100, 300 -- of a tenant's in one turn: without a fault, in all

local waiting = {} -- tenant id -> {rows, ok = how many of them are}
local count = 0
local loop -- while started

local function left_out()
  metrics.add(metrics.counter("fixxit_script_runs_unrecorded_total",
    "Runs of which no record was kept, since there were too many."))
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

--- Notes how a run ended; never waits. A flood of runs is not kept whole.
-- @param release whose hook ran
-- @param outcome of services.scripts.run
-- @param options event, event_id, attempt
-- @return the id of the record, nil when there will be none
function M.add(tenant_id, release, outcome, options)
  local list = waiting[tenant_id]
  if not list then
    list = { rows = {}, ok = 0 }
    waiting[tenant_id] = list
  end
  local plain = outcome.status == "ok" and #outcome.log == 0
  if count >= WAITING_MAX or #list.rows >= TENANT_MAX or plain and list.ok >= OK_MAX then
    left_out()
    return nil
  end
  local row = row_of(release, outcome, options)
  list.rows[#list.rows + 1] = row
  list.ok = list.ok + (plain and 1 or 0)
  count = count + 1
  if loop then
    loop:wake()
  end
  return row.id
end

local function write(tenant_id, rows)
  local ctx = context.system({ name = "scripts", tenant = { id = tenant_id } })
  for first = 1, #rows, BATCH do
    local batch = {}
    for i = first, math.min(first + BATCH - 1, #rows) do
      batch[#batch + 1] = rows[i]
    end
    local ok, err = pcall(store.insert_runs, ctx, batch)
    if not ok then
      log.warn(ctx, "records of runs are lost", { runs = #batch, error = tostring(err) })
    end
  end
end

--- Writes what is waiting. @return whether there was anything
function M.flush()
  local taken, had_any = waiting, count > 0
  waiting, count = {}, 0
  for tenant_id, list in pairs(taken) do
    write(tenant_id, list.rows)
  end
  if had_any then
    background.ring(M.BELL)
  end
  return had_any
end

local function turn()
  if count > 0 then
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
