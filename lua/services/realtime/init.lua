--- Real time: events on their way to the people who may hear them.

local background = require("core.background")
local config = require("core.config")
local sys = require("core.sys")
local time = require("core.time")
local events = require("services.events")
local identity = require("services.identity")
local connection = require("services.realtime.connection")
local feed = require("services.realtime.feed")
local rooms = require("services.realtime.rooms")
local session = require("services.realtime.session")
local socket = require("services.realtime.socket")

local M = {}

local EXPIRY_MS = 1000
local EXPIRED_UP_TO = "realtime.expired_up_to" -- lives with the process, like the connections
local CATCH_UP_S = 60 -- after a step of the clock
local PIECES = 4 -- in a queue: one fits into half of it, though frames are more than what they tell

local expiry -- the loop that tells of expired tokens, while started

M.hooks = {
  ws_message = socket.on_message,
}

--- Sends a frame to everybody in this worker who is in a room of a tenant. For what is of the
-- moment: events come by their log.
-- @return how many they are
function M.publish(tenant_id, room, frame)
  return connection.publish(rooms.hub_name(tenant_id, room), frame)
end

local function tell_expired()
  local now = math.floor(time.now_ms() / 1000)
  local last = sys.shared_get(EXPIRED_UP_TO)
  if now > last then
    sys.shared_set(EXPIRED_UP_TO, now)
    session.tell_expired(math.max(last + 1, now - CATCH_UP_S), now)
  end
end

function M.start()
  if sys.role() ~= "http" then
    return
  end
  events.follow({ hand_on = feed.broadcast, is_heard = feed.is_heard,
    await_room = feed.await_room, piece_bytes = config.get().ws.queue_max / PIECES })
  identity.watch(session.on_security_event)
  expiry = background.start({ name = "token expiry", every_ms = EXPIRY_MS, step = tell_expired })
end

function M.stop()
  if not expiry then
    return
  end
  expiry:stop()
  expiry = nil
  identity.unwatch(session.on_security_event)
  events.unfollow()
end

return M
