--- Hands the numbered events to this worker, each once.
--
-- The position in the log lives with the process, not with the generation: at a reload the old
-- and the new follower may read the same rows, and whoever moves the position first hands them
-- on. Between comparing and moving it nothing waits.

local background = require("core.background")
local context = require("core.context")
local sys = require("core.sys")
local record = require("services.events.record")
local store = require("services.events.store")

local M = {}

local CURSOR = "events.cursor"
local STARTED = "events.cursor.started" -- 1 once the position means something: it may be 0
local BATCH = 500
local POLL_MS = 1000

--- The position in event_log up to which this worker has handed events on.
function M.position()
  return sys.shared_get(CURSOR)
end

local function begin(ctx)
  local last = store.last_id(ctx)
  if sys.shared_get(STARTED) == 0 then
    sys.shared_set(CURSOR, last)
    sys.shared_set(STARTED, 1)
  end
end

-- Passes over what nobody is there to hear. Who comes while the place is looked up is asked for
-- again before it moves.
local function pass_over(ctx, from, is_heard)
  local last = store.last_id(ctx)
  if last <= from then
    return false
  elseif is_heard() or M.position() ~= from then
    return true
  end
  sys.shared_set(CURSOR, last)
  return false
end

-- The last of the rows that go together with this one.
local function end_of_piece(rows, first, piece_bytes)
  local last, bytes = first, #rows[first].payload
  while rows[last + 1] and bytes + #rows[last + 1].payload <= piece_bytes do
    last = last + 1
    bytes = bytes + #rows[last].payload
  end
  return last
end

-- Hands on what was read behind a position, piece by piece.
-- @return whether there may be more
local function hand_on(options, from, rows, events)
  local first = 1
  while rows[first] do
    options.await_room()
    if M.position() ~= from then
      return true -- the other generation was faster
    end
    local last = end_of_piece(rows, first, options.piece_bytes)
    from = rows[last].id
    sys.shared_set(CURSOR, from)
    options.hand_on({ unpack(events, first, last) })
    first = last + 1
  end
  return #rows == BATCH
end

local function turn(options)
  options.prepare()
  local ctx = context.system({ name = "follower" })
  if sys.shared_get(STARTED) == 0 then
    begin(ctx)
  end
  local from = M.position()
  if not options.is_heard() then
    return pass_over(ctx, from, options.is_heard)
  end
  local rows = store.list_after(ctx, from, BATCH)
  if #rows == 0 then
    return false
  end
  return hand_on(options, from, rows, record.read(ctx, rows))
end

--- Starts following.
-- @param options hand_on(events), must not wait; is_heard() -> whether anybody would hear of events
--   now, must not wait; prepare(), called before each turn, may wait; piece_bytes = how many bytes
--   of payloads are handed on at once at most, if it is more than one event; await_room(), called
--   before each piece, may wait
-- @return the loop: loop:stop()
function M.start(options)
  return background.start({
    name = "event follower",
    channel = "events",
    every_ms = POLL_MS,
    step = function()
      return turn(options)
    end,
  })
end

return M
