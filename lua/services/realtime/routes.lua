--- GET /ws, the one WebSocket endpoint, GET /events for those who can only read, and
-- GET /realtime/snapshot.

local errors = require("core.errors")
local input = require("core.input")
local origin = require("core.origin")
local reply = require("core.reply")
local s = require("core.schema")
local time = require("core.time")
local events = require("services.events")
local rooms = require("services.realtime.rooms")
local socket = require("services.realtime.socket")
local stream = require("services.realtime.stream")

local EVENTS = { ["Content-Type"] = "text/event-stream", ["Cache-Control"] = "no-store" }

local function check_origin(ctx)
  if not origin.is_known(ctx) then
    errors.raise("FORBIDDEN", "This origin may not connect")
  end
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

local function token_of(ctx, query)
  return type(query.token) == "string" and query.token ~= "" and query.token
    or (ctx.req:header("authorization") or ""):match("^[Bb]earer +(.+)$")
end

local function open(ctx)
  if not (ctx.req:header("upgrade") or ""):lower():find("websocket", 1, true) then
    errors.raise("UPGRADE_REQUIRED", "This is a WebSocket endpoint",
      { status = 426, headers = { Upgrade = "websocket" } })
  end
  check_origin(ctx)
  local query = input.parse_query(ctx.req:query())
  socket.open(ctx, { token = token_of(ctx, query), point = resume_point(query) })
  return reply.none()
end

-- Paragraphs out of lines.
local function prose(text)
  return (text:gsub("\n\n", "\0"):gsub("\n", " "):gsub("%z", "\n\n"):gsub("%s+$", ""))
end

local SOCKET_PROTOCOL = prose([[
Frames are JSON objects with a `type`. Sign in by `?token=`, by `Authorization`, or by a first frame
`{"type":"auth","token":…}` within 5 s; the answer is `auth:ok` with the rooms that one hears by
right. `{"type":"subscribe","topic":"report:<id>"}` adds a topic and is answered `subscribed` or
`error`; `track:<code>` needs no sign-in. `unsubscribe` ends it, `ping` is answered `pong`.

An event is `{"type":"event","event":"report:created","id":…,"topic":…,"data":…,"ts":…,"seq":…,
"epoch":…}`. Who comes back with `{"type":"resume","epoch":…,"lastSeq":…}` (or `?lastEventId=
<epoch>:<seq>`) gets what was missed, each event once, or `resync`: then read the state anew.

`auth:expired` says that the token did: send another `auth` within 10 s. Close codes: 4401 not
signed in any more, 1012 may hear something else now (come back), 4408 read too slowly, 1001 the
server goes, 1008 too many bad frames.]])

local STREAM_PROTOCOL = prose([[
The frames of `/ws` as server-sent events: `event` is the event's name (`report:created`) or the
frame's type (`welcome`, `auth:ok`, `subscribed`, `resync`, `auth:expired`), `data` is the frame,
`id` is `<epoch>:<seq>`. Frames of the type `error` have no name: a browser calls its own
failures so.

A browser comes back by itself with `Last-Event-ID` and gets what it missed, each event once, or
`resync`: then read the state anew. After `auth:expired` open another stream with a new token, the
last id as `?lastEventId=`, and close this one. A comment every 25 s shows that the stream lives.]])

local function word(describe)
  return s.string({ max = 200, optional = true, describe = describe })
end

local STREAM = s.object({
  token = s.string({ max = 4096, optional = true,
    describe = "an access token, for those who cannot send Authorization" }),
  topic = s.list({ of = s.string({ min = 1, max = 200 }), max = 20, optional = true,
    describe = "what else to hear, such as report:<id>, or track:<code> without a token" }),
  tenant = word("the slug of the tenant, for topics without a token"),
  lastEventId = word("<epoch>:<seq> of the last event that was heard; Last-Event-ID goes over it"),
  epoch = word("the same in two parts"),
  lastSeq = word("the same in two parts"),
})

-- A browser that comes back names its last event in the header; the address is still the first.
local function open_stream(ctx, request)
  check_origin(ctx)
  local query, last = request.query, ctx.req:header("last-event-id")
  local prepared = stream.prepare(ctx, {
    token = token_of(ctx, query),
    topics = query.topic or {},
    query = query,
    point = resume_point(last and last ~= "" and { lastEventId = last } or query),
  })
  if ctx.method == "HEAD" then
    return reply.raw(200, EVENTS)
  end
  return reply.own(200, function(headers)
    stream.open(ctx, prepared, headers)
  end)
end

local SNAPSHOT = s.object({
  topic = s.string(),
  data = s.any({ describe = "as the detail of what the topic names" }),
  epoch = s.string(),
  seq = s.integer(),
  ts = s.string({ format = "date-time" }),
}, { name = "Snapshot" })

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
    describe = SOCKET_PROTOCOL,
    permission = "public", authenticate = false, tenant = false,
    answers = { [101] = "the connection is a WebSocket", [426] = "no WebSocket handshake" },
    handler = open },
  { method = "GET", path = "/events", base = "", permission = "public", authenticate = false,
    tenant = false, query = STREAM, summary = "Events as they happen, as server-sent events.",
    describe = STREAM_PROTOCOL,
    answers = { [200] = "the stream", [401] = "neither a token that holds nor a public topic",
      [403] = "a topic that the caller may not hear" },
    content = { type = "text/event-stream", schema = s.string() }, handler = open_stream },
  { method = "GET", path = "/realtime/snapshot", permission = "public", tenant = false,
    summary = "The present state of a topic, and the seq to resume from after it.",
    query = s.object({ topic = s.string({ min = 1, max = 200 }) }),
    answers = { [403] = "a topic that the caller may not hear" }, returns = SNAPSHOT,
    handler = snapshot },
}
