--- Runs as the API and the live tail show them.

local json = require("core.json")
local errors = require("core.errors")
local paging = require("core.paging")
local s = require("core.schema")
local time = require("core.time")
local store = require("services.scripts.runs_store")

local M = {}

local DAY_MS = 86400000

local COLUMNS = { startedAt = "r.started_at" }

--- How runs can have ended, one way or several.
M.STATUS = s.list({ optional = true,
  of = s.enum({ "ok", "error", "limit", "rejected", "retrying", "dead" }) })

--- What a list of runs can be sorted by.
M.SORTS = { "startedAt" }

local function decoded(text)
  return text and json.decode(text)
end

local function ms(us)
  return us and math.floor(us / 10 + 0.5) / 100
end

--- A record as a run.
function M.run(row)
  return {
    id = row.id,
    release = row.release_number or json.null,
    event = row.event or json.null,
    eventId = row.event_id or json.null,
    file = row.file,
    hook = row.hook,
    status = row.status,
    attempt = row.attempt,
    startedAt = row.started_at,
    cpuMs = ms(row.cpu_us),
    wallMs = ms(row.wall_us),
    memoryBytes = row.memory_bytes,
    calls = row.calls,
    log = decoded(row.log) or json.array({}),
    warnings = decoded(row.warnings) or json.array({}),
    error = decoded(row.error) or json.null,
  }
end

--- One page of the runs, the newest first.
-- @param query file and status, each an array, eventId, and those of core.paging
-- @return runs, meta
function M.list(ctx, query)
  local page = paging.read(ctx, query, { columns = COLUMNS, id = "r.id", default = "-startedAt" })
  local filter = { file = query.file, status = query.status,
    event_id = query.eventId and { query.eventId } }
  local rows = store.list_runs(ctx, filter, page)
  local meta = paging.meta(page, rows, page.page and store.count_runs(ctx, filter) or nil)
  local list = json.array({})
  for i, row in ipairs(rows) do
    list[i] = M.run(row)
  end
  return list, meta
end

--- One run; 404 when there is none.
function M.get(ctx, id)
  local row = store.find_run(ctx, id) or errors.raise("NOT_FOUND", "There is no such run")
  return M.run(row)
end

local function figures(row)
  return {
    file = row.file,
    hook = row.hook,
    runs = tonumber(row.runs),
    ok = tonumber(row.ok),
    rejected = tonumber(row.rejected),
    limits = tonumber(row.limits),
    errors = tonumber(row.errors),
    calls = tonumber(row.calls),
    cpuMs = ms(tonumber(row.cpu_us)),
    cpuMsMax = ms(tonumber(row.cpu_us_max)),
    wallMs = ms(tonumber(row.wall_us)),
    memoryBytes = tonumber(row.memory_bytes),
    lastRunAt = row.last_at,
  }
end

local SUMMED = { "runs", "ok", "rejected", "limits", "errors", "calls" }

--- How the runs of the last day went: {since, totals, hooks}. Runs of which no record was kept are
-- not in it.
function M.stats(ctx)
  local since = time.iso(time.now_ms() - DAY_MS)
  local hooks, totals = json.array({}), {}
  for _, name in ipairs(SUMMED) do
    totals[name] = 0
  end
  for i, row in ipairs(store.sum_runs(ctx, time.db(since))) do
    hooks[i] = figures(row)
    for _, name in ipairs(SUMMED) do
      totals[name] = totals[name] + hooks[i][name]
    end
  end
  return { since = since, totals = totals, hooks = hooks }
end

return M
