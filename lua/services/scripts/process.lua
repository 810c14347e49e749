--- The processes that run tenants' scripts, as this worker reaches them: one connection per tenant
-- and lane, made when it is first needed and made again when the process has ended.
--
-- Lanes are processes of their own: "live" for what somebody waits for, "background" for events and
-- schedules, "draft" for what is being tried. So a hook never waits behind an event, and a broken
-- draft harms nothing.

local json = require("core.json")
local sandbox = require("core.sandbox")
local utf8 = require("core.schema.text")
local task = require("core.task")
local declared_schema = require("services.scripts.declared_schema")
local parts = require("services.scripts.parts")

local M = {}

local LANES = { live = { nice = 0 }, background = { nice = 10 }, draft = { nice = 10 } }
local OPEN_MS = 5000
local LATE = { code = "UNAVAILABLE", message = "the process takes too long to begin" }
local KEPT_MAX = 2000
local START_TRIES = 4 -- closed, not loaded, closed or loaded by another task, begun
local DECLARED_DEPTH = 32
-- What has nothing to do with a script; CANCELLED: this worker stops.
local OURS = { UNAVAILABLE = true, BUSY = true, CANCELLED = true }
local MESSAGE_MAX, FILE_MAX, TRACEBACK_MAX = 1000, 100, 4000

-- How long a run waits until it can begin.
local function wait_of(limits)
  return math.min(limits.wall_ms, OPEN_MS)
end

-- "tenant lane" -> {conn, opening = a signal, loading = {release = {signal, ended, ok, err}},
-- counted_us}
local places, place_count = {}, 0

local function forget_closed()
  for key, place in pairs(places) do
    if not place.opening and not (place.conn and place.conn:is_open()) then
      places[key], place_count = nil, place_count - 1
    end
  end
end

local function place_of(tenant_id, lane)
  local key = tenant_id .. " " .. lane
  local place = places[key]
  if not place then
    if place_count >= KEPT_MAX then
      forget_closed()
    end
    place = { tenant_id = tenant_id, lane = lane }
    places[key], place_count = place, place_count + 1
  end
  return place
end

local function open(place)
  local conn, err = sandbox.open(place.tenant_id, place.lane, LANES[place.lane])
  local signal = place.opening
  place.opening, place.conn, place.problem = nil, conn, err
  place.loading, place.counted_us = {}, 0
  signal:notify()
end

local function is_open(place)
  return place.conn ~= nil and place.conn:is_open()
end

-- @param wait_ms for the connection: opening goes on when it takes longer
-- @return the place of an open connection, or nil, err
local function connect(tenant_id, lane, wait_ms)
  local place = place_of(tenant_id, lane)
  if is_open(place) then
    return place
  end
  if not place.opening then
    place.opening = task.signal()
    task.spawn(open, place)
  end
  if place.opening then
    place.opening:wait(wait_ms)
  end
  if is_open(place) then
    return place
  end
  return nil, not place.opening and place.problem or LATE
end

local function load_now(place, entry, release)
  local loading, conn = place.loading, place.conn
  local ok, declared, err = pcall(function()
    return conn:load(release.id, release.texts())
  end)
  entry.ok, entry.raised = ok and declared ~= nil, not ok
  entry.err = ok and err or not ok and declared or nil
  entry.ended, loading[release.id] = true, nil
  entry.signal:notify()
end

-- Gives the process a release. A task of its own does: whoever waits may end meanwhile.
-- @return true, or nil, err
local function load_release(place, release, wait_ms)
  local entry = place.loading[release.id]
  if not entry then
    entry = { signal = task.signal() }
    place.loading[release.id] = entry
    task.spawn(load_now, place, entry, release)
  end
  if not entry.ended then
    entry.signal:wait(wait_ms)
  end
  if not entry.ended then
    return nil, LATE
  elseif entry.raised then
    error(entry.err, 0) -- its text could not be read
  end
  return entry.ok or nil, entry.err
end

-- Begins a run where it is known to be possible, or makes it possible for another try: what the
-- process does not know is loaded.
-- @return the message; or nil, err, whether to try again
local function try_start(place, release, input, limits)
  local message, err = place.conn:start(release.id, input, limits)
  if message or err.code ~= "UNKNOWN_RELEASE" then
    return message, err, err and err.code == "CLOSED"
  end
  local loaded, problem = load_release(place, release, wait_of(limits))
  return nil, problem or err, loaded or problem.code == "CLOSED"
end

--- Begins a run and waits for its first message. A process that had ended is opened again, and
-- what it does not know is loaded: nothing of the run has happened then.
-- @param where tenant_id, lane
-- @param release id = a number (parts.of), texts = function() -> its parts
-- @param input JSON text of the run
-- @param limits cpu_ms, wall_ms, output_max, log_max
-- @return the message, the connection; or nil, err: those of host.sandbox
function M.start(where, release, input, limits)
  local message, err, again
  for _ = 1, START_TRIES do
    local place, problem = connect(where.tenant_id, where.lane, wait_of(limits))
    if not place then
      return nil, problem
    end
    local conn = place.conn
    message, err, again = try_start(place, release, input, limits)
    if message then
      return message, conn
    elseif not again then
      break
    end
  end
  return nil, err
end

-- Two tries: what had ended is opened again.
local function load_draft(tenant_id, id, texts)
  local text, err, place
  for _ = 1, 2 do
    place, err = connect(tenant_id, "draft", OPEN_MS)
    if not place then
      return nil, err
    end
    text, err = place.conn:load(id, texts)
    if text or err.code ~= "CLOSED" then
      break
    end
  end
  return text, err
end

--- What files declare: {hooks, problems}; or nil and what is wrong with them:
-- {code, message, file, line, traceback}.
-- @param chunks of the prelude besides the usual ones, or nil
function M.declared(tenant_id, files, chunks)
  local id, texts = parts.of(files, chunks)
  local text, err = load_draft(tenant_id, id, texts)
  if text then
    local declared = declared_schema.clean(json.decode(text, { max_depth = DECLARED_DEPTH }))
    if declared then
      declared.hooks, declared.problems = json.array(declared.hooks), json.array(declared.problems)
      return declared
    end
    err = { code = "CRASHED" }
  end
  return nil, M.problem(err)
end

local function text_of(value, max)
  return type(value) == "string" and utf8.cut(value, max) or nil
end

--- An error as a process told it, with what an error has and nothing else.
function M.clean_error(told)
  told = type(told) == "table" and told or {}
  return {
    code = type(told.code) == "string" and told.code:match("^[%u_]+$") or "SCRIPT_ERROR",
    message = text_of(told.message, MESSAGE_MAX) or "the run failed",
    file = text_of(told.file, FILE_MAX),
    line = type(told.line) == "number" and told.line % 1 == 0 and told.line or nil,
    traceback = text_of(told.traceback, TRACEBACK_MAX),
  }
end

--- What a failure of the host means to an author.
function M.problem(err)
  local told = err.code == "SCRIPT" and json.decode(err.text or "")
  if type(told) == "table" then
    return M.clean_error(told)
  elseif OURS[err.code] then
    return { code = "UNAVAILABLE", message = "the process of the scripts cannot be reached" }
  end
  return { code = "CRASHED", message = "the process of the scripts ended" }
end

--- How much CPU a tenant's process of a lane has used since this was last asked, in milliseconds:
-- by the kernel, not by what it says itself.
function M.cpu_ms(tenant_id, lane)
  local place = places[tenant_id .. " " .. lane]
  local used_us = place and place.conn and place.conn:cpu_us() or -1
  if used_us < 0 then -- it has ended
    return 0
  end
  local since = used_us - place.counted_us
  place.counted_us = used_us
  return math.max(since, 0) / 1000
end

return M
