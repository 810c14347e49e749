--- GET /ws, the one WebSocket endpoint, and GET /realtime/snapshot.

local config = require("core.config")
local errors = require("core.errors")
local input = require("core.input")
local reply = require("core.reply")
local s = require("core.schema")
local time = require("core.time")
local events = require("services.events")
local rooms = require("services.realtime.rooms")
local socket = require("services.realtime.socket")

-- A browser says where its page comes from: from here, or from a listed origin.
local function check_origin(ctx)
  local origin = ctx.req:header("origin")
  if not origin then
    return
  end
  local host = ctx.req:header("host") or ""
  if origin:lower():match("^https?://(.+)$") == host:lower() then
    return
  end
  for _, allowed in ipairs(config.get().cors.origins) do
    if origin == allowed then
      return
    end
  end
  errors.raise("FORBIDDEN", "This origin may not connect")
end

-- ?epoch=&lastSeq=, or ?lastEventId=<epoch>:<seq>. What cannot be read is a point all the same,
-- one that nobody knows: whoever wants to resume is told to read anew, not left to guess.
local function resume_point(query)
  local epoch, seq = query.epoch, query.lastSeq
  if epoch == nil and seq == nil and query.lastEventId == nil then
    return nil
  end
  if type(query.lastEventId) == "string" then
    epoch, seq = query.lastEventId:match("^(.*):(%d+)$")
  end
  return { epoch = epoch, seq = type(seq) == "string" and tonumber(seq) or nil }
end

local function open(ctx)
  if not (ctx.req:header("upgrade") or ""):lower():find("websocket", 1, true) then
    errors.raise("UPGRADE_REQUIRED", "This is a WebSocket endpoint",
      { status = 426, headers = { Upgrade = "websocket", Connection = "Upgrade" } })
  end
  check_origin(ctx)
  local query = input.parse_query(ctx.req:query())
  local token = type(query.token) == "string" and query.token ~= "" and query.token
    or (ctx.req:header("authorization") or ""):match("^[Bb]earer +(.+)$")
  socket.open(ctx, { token = token, point = resume_point(query) })
  return reply.none()
end

-- The number first, then the state: what happens in between is in the state and is told again
-- to whoever goes on from the number, but nothing is left out.
local function snapshot(ctx, request)
  local topic = request.query.topic
  local room, tenant_id, read = rooms.of_topic(ctx, topic)
  if not room then
    errors.raise("FORBIDDEN", "You may not hear this")
  end
  local seq = events.last_seq(ctx, tenant_id)
  return reply.ok({
    topic = topic,
    data = read(),
    epoch = events.epoch(),
    seq = seq,
    ts = time.now(),
  }, { headers = { ["Cache-Control"] = "no-store" } })
end

return {
  { method = "GET", path = "/ws", base = "", summary = "Events as they happen, by WebSocket.",
    permission = "public", authenticate = false, tenant = false,
    answers = { [101] = "the connection is a WebSocket", [426] = "no WebSocket handshake" },
    handler = open },
  { method = "GET", path = "/realtime/snapshot", permission = "public", tenant = false,
    summary = "The present state of a topic, and the seq to resume from after it.",
    query = s.object({ topic = s.string({ min = 1, max = 200 }) }),
    answers = { [403] = "a topic that the caller may not hear" },
    handler = snapshot },
}
