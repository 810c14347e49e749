--- From events to frames: who hears an event, and what of it.

local log = require("core.log")
local registry = require("core.registry")
local task = require("core.task")
local time = require("core.time")
local ws = require("core.ws")
local events = require("services.events")
local connection = require("services.realtime.connection")
local rooms = require("services.realtime.rooms")

local M = {}

local LOOK_MS = 5
local STILL_MAX_MS, WAIT_MAX_MS = 500, 2000

local given_up = 0 -- how many half full queues are waited for no more

-- The rooms of an event with what each hears, richest first; empty when it is not for sockets.
local function views_of(event)
  local rule = registry.events[event.event]
  if not rule then
    return {}
  end
  local ok, views = pcall(rule.rooms, event)
  if not ok then
    log.error(nil, "rooms of an event failed", { event = event.event, error = tostring(views) })
    return {}
  end
  return views
end

local function frame(event, data)
  return {
    type = "event",
    event = registry.events[event.event].socket,
    id = event.id,
    topic = event.resourceType .. ":" .. event.resourceId,
    data = data,
    ts = event.occurredAt,
    seq = event.seq,
    epoch = events.epoch(),
  }
end

--- Whether anybody is there who could.
function M.is_heard()
  return ws.stats().connections > 0
end

--- Waits while somebody's queue is half full, so that a backlog (the database was away from this
-- worker) makes nobody a slow reader who is none: as long as queues get shorter, for two seconds at
-- most. Who takes nothing is waited for once, for half a second: the kernel, too, takes more of a
-- queue only when its own buffer has become much emptier.
function M.await_room()
  local stats, began = ws.stats(), time.monotonic_ms()
  local queued, taken_ms = stats.queued, began
  given_up = math.min(given_up, stats.half_full)
  while stats.half_full > given_up do
    local _, cancelled = task.sleep(LOOK_MS)
    local now = time.monotonic_ms()
    stats = ws.stats()
    if stats.queued < queued then
      queued, taken_ms = stats.queued, now
    elseif now - taken_ms > STILL_MAX_MS then
      given_up = stats.half_full
    end
    if cancelled or now - began > WAIT_MAX_MS then
      given_up = stats.half_full
    end
  end
end

--- Sends events to everybody in this worker who may hear them, each once. Does not wait.
function M.broadcast(list)
  for _, event in ipairs(list) do
    for _, view in ipairs(views_of(event)) do
      connection.publish(rooms.hub_name(event.tenantId, view.room), frame(event, view.data),
        event.position)
    end
  end
end

--- Sends a past event to one connection, as its rooms let it see it.
-- @param hears set of hub names
function M.replay(id, event, hears)
  for _, view in ipairs(views_of(event)) do
    if hears[rooms.hub_name(event.tenantId, view.room)] then
      return connection.send(id, frame(event, view.data))
    end
  end
  return true
end

return M
