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

local PAUSE_MS, PAUSE_MAX_MS = 5, 250

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

--- Lets readers take what waits for them, so that a backlog (the database was away from this
-- worker) makes nobody a slow reader who is none. For a quarter of a second at most: nobody waits
-- for those who are.
function M.pause()
  local until_ms = time.monotonic_ms() + PAUSE_MAX_MS
  while ws.stats().queued > 0 and time.monotonic_ms() < until_ms do
    local _, cancelled = task.sleep(PAUSE_MS)
    if cancelled then
      return
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
