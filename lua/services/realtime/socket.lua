--- The protocol of /ws: JSON frames with a `type`.
--
-- A connection hears nothing before it has signed in or followed a public topic. Resuming sends
-- what was missed before anything live: the rooms are joined in the same turn of the loop in which
-- the log turns out to hold nothing more that this worker has already broadcast.

local config = require("core.config")
local context = require("core.context")
local errors = require("core.errors")
local json = require("core.json")
local log = require("core.log")
local rate_limit = require("core.rate_limit")
local task = require("core.task")
local time = require("core.time")
local uuid = require("core.uuid")
local ws = require("core.ws")
local events = require("services.events")
local identity = require("services.identity")
local connection = require("services.realtime.connection")
local feed = require("services.realtime.feed")
local rooms = require("services.realtime.rooms")

local M = {}

local UNAUTHORIZED, POLICY, LATER = 4401, 1008, 1013 -- close codes
local SIGN_IN_MS = 5000
local SIGN_IN_SLACK_MS = 1000
local EXPIRY_GRACE_MS = 10000
local BAD_MAX = 5
local TOPICS_MAX, TOPIC_MAX = 100, 200 -- topics of a connection, bytes of one
local FRAME_DEPTH = { max_depth = 16 }
local RESUME = { max = 10000, seconds = 3600 }
local REPLAY_BATCH = 200
local REPLAY_PAUSE_MS = 10

local function close_unauthorized(id, message)
  connection.refuse(id, "UNAUTHORIZED", message)
  ws.close(id, UNAUTHORIZED, "UNAUTHORIZED")
end

-- Resuming --------------------------------------------------------------------

local function tell_resync(id)
  connection.send(id, { type = "resync", epoch = events.epoch() })
end

-- Sends what the state's rooms heard after `seq`, and then joins them.
local function replay(id, state, ctx, seq)
  local hears = connection.rooms(state)
  connection.mute(id)
  local list, position
  repeat
    list, position = events.list_since(ctx, state.tenant_id, seq, REPLAY_BATCH)
    for _, event in ipairs(list) do
      if not feed.replay(id, event, hears) then
        return
      end
      seq = event.seq
    end
    local more = #list == REPLAY_BATCH
    if more then
      task.sleep(REPLAY_PAUSE_MS) -- lets the client read: its queue is bounded
    end
  until not more and position == events.position()
  connection.settle(id, state)
end

local function resume(id, state, point)
  local ctx = context.system({ name = "realtime" })
  local known = state.tenant_id and point.epoch == events.epoch() and type(point.seq) == "number"
    and point.seq >= 0 and point.seq % 1 == 0
    and events.can_resume(ctx, state.tenant_id, point.seq, RESUME)
  if not known then
    connection.settle(id, state)
    return tell_resync(id)
  end
  replay(id, state, ctx, point.seq)
end

-- Signing in ------------------------------------------------------------------

local function refuse_sign_in(id, err)
  if errors.is(err) and err.status == 401 then
    return close_unauthorized(id, err.message)
  end
  log.warn(nil, "sign-in of a socket failed", { error = tostring(err) })
  connection.refuse(id, "SERVICE_UNAVAILABLE", "Try again later")
  ws.close(id, LATER, "SERVICE_UNAVAILABLE")
end

-- The new state after a sign-in; what was subscribed to stays while it is the same person.
local function signed_in(state, ctx)
  local actor, tenant_id = ctx.actor, ctx.tenant and ctx.tenant.id
  local same = state.user_id == actor.user_id and state.tenant_id == tenant_id
  local rights, names = {}, json.array({})
  for i, room in ipairs(rooms.by_right(ctx)) do
    rights[i], names[i] = rooms.hub_name(tenant_id, room), room
  end
  return {
    name = state.name,
    ip = state.ip,
    user_agent = state.user_agent,
    bad = state.bad,
    user_id = actor.user_id,
    tenant_id = tenant_id,
    session_id = actor.session_id,
    expires_ms = actor.token_expires_ms,
    rights = rights,
    topics = (same or state.public) and state.topics or nil,
  }, names
end

local function sign_in(id, state, token, point)
  local ctx = context.new({ ip = state.ip, user_agent = state.user_agent })
  local ok, err = pcall(function()
    ctx.actor, ctx.tenant = identity.of_token(ctx, token)
    local names
    state, names = signed_in(state, ctx)
    connection.save(id, state)
    ws.deadline(id, math.max(1, state.expires_ms - time.now_ms()) + EXPIRY_GRACE_MS,
      UNAUTHORIZED, "the token expired")
    connection.send(id, {
      type = "auth:ok",
      user = {
        id = ctx.actor.user_id,
        name = ctx.actor.name,
        role = ctx.actor.role or json.null,
        tenantId = state.tenant_id or json.null,
      },
      expiresAt = time.iso(state.expires_ms),
      rooms = names,
      epoch = events.epoch(),
    })
    if point then
      resume(id, state, point)
    else
      connection.settle(id, state)
    end
  end)
  if not ok then
    refuse_sign_in(id, err)
  end
end

-- Who neither signs in nor follows something public is told so and closed. The host's deadline
-- stands behind this task, should it end with its generation.
local function await_sign_in(id)
  ws.deadline(id, SIGN_IN_MS + SIGN_IN_SLACK_MS, UNAUTHORIZED, "UNAUTHORIZED")
  task.spawn(function()
    task.sleep(SIGN_IN_MS)
    local state = connection.load(id)
    if state and not state.session_id and not state.public then
      close_unauthorized(id, "Sign in within 5 s")
    end
  end)
end

-- Frames of the client ----------------------------------------------------------

local handlers = {}

-- Those that ask the database: else a socket would be a way around the limits of requests.
local COUNTED = { auth = true, resume = true, subscribe = true }

function handlers.ping(id)
  connection.send(id, { type = "pong", ts = time.now() })
end

function handlers.auth(id, state, frame)
  if type(frame.token) ~= "string" then
    return close_unauthorized(id, "The token is missing")
  end
  local point = frame.lastSeq ~= nil and { epoch = frame.epoch, seq = frame.lastSeq } or nil
  sign_in(id, state, frame.token, point)
end

function handlers.resume(id, state, frame)
  if not state.session_id and not state.public then
    return connection.refuse(id, "UNAUTHORIZED", "Sign in first")
  end
  resume(id, state, { epoch = frame.epoch, seq = frame.lastSeq })
end

local function count(topics)
  local n = 0
  for _ in pairs(topics or {}) do
    n = n + 1
  end
  return n
end

local function is_topic(value)
  return type(value) == "string" and #value <= TOPIC_MAX
end

-- An anonymous connection acts in the tenant that it or the topic's own key names.
local function topic_context(state, frame)
  local ctx = connection.context(state)
  if not state.session_id and not ctx.tenant and type(frame.tenant) == "string" then
    ctx.tenant = identity.find_tenant_by_slug(ctx, frame.tenant)
  end
  return ctx
end

function handlers.subscribe(id, state, frame)
  local topic = frame.topic
  if not is_topic(topic) then
    return false
  end
  local ok, room, tenant_id = pcall(function()
    return rooms.of_topic(topic_context(state, frame), topic)
  end)
  if not ok and not errors.is(room) then
    error(room, 0)
  end
  if not ok and room.status >= 500 then
    return connection.refuse(id, "SERVICE_UNAVAILABLE", "Try again later", { topic = topic })
  end
  if not ok or not room then
    return connection.refuse(id, "FORBIDDEN", "You may not hear this", { topic = topic })
  end
  state.topics = state.topics or {}
  if not state.topics[topic] and count(state.topics) >= TOPICS_MAX then
    return connection.refuse(id, "TOO_MANY", "Too many topics", { topic = topic })
  end
  state.topics[topic] = rooms.hub_name(tenant_id, room)
  if not state.session_id then
    state.public, state.tenant_id = true, tenant_id
    ws.deadline(id, 0, UNAUTHORIZED, "")
  end
  connection.save(id, state)
  ws.join(id, state.topics[topic])
  connection.send(id, { type = "subscribed", topic = topic, epoch = events.epoch() })
end

function handlers.unsubscribe(id, state, frame)
  local topic = frame.topic
  if type(topic) ~= "string" then
    return false
  end
  if state.topics and state.topics[topic] then
    state.topics[topic] = nil
    connection.save(id, state)
    connection.settle(id, state)
  end
  connection.send(id, { type = "unsubscribed", topic = topic })
end

local function refuse_frame(id, state, message)
  state.bad = (state.bad or 0) + 1
  connection.save(id, state)
  connection.refuse(id, "INVALID_MESSAGE", message)
  if state.bad >= BAD_MAX then
    ws.close(id, POLICY, "too many invalid messages")
  end
end

--- The entry point of a message.
function M.on_message(id, text, binary)
  local state = connection.load(id)
  if not state then
    return
  end
  local frame = not binary and json.decode(text, FRAME_DEPTH)
  if type(frame) ~= "table" or json.is_array(frame) then
    return refuse_frame(id, state, "A frame is one JSON object as text")
  end
  local handler = handlers[frame.type]
  if not handler then
    return refuse_frame(id, state, "The frame's type is not known")
  end
  if COUNTED[frame.type] then
    local allowed, err = pcall(rate_limit.count, context.new({ ip = state.ip }), "frame")
    if not allowed then
      return connection.refuse(id, "RATE_LIMITED", err.message,
        { topic = is_topic(frame.topic) and frame.topic or nil })
    end
  end
  local ok, result = xpcall(handler, errors.capture, id, state, frame)
  if not ok then
    if result.status == 401 then
      return close_unauthorized(id, result.message)
    end
    log.error(nil, "frame failed", { type = frame.type, error = tostring(result),
      traceback = result.traceback })
    connection.refuse(id, result.status == 503 and "SERVICE_UNAVAILABLE" or "INTERNAL",
      "The frame could not be handled")
  elseif result == false then
    refuse_frame(id, state, "The frame lacks what its type needs")
  end
end

-- Opening ---------------------------------------------------------------------

--- Takes the connection of a request over, as core.app's handler of GET /ws.
-- @param options token, point ({epoch, seq} to resume at) as the request brought them
function M.open(ctx, options)
  local epoch = events.epoch()
  local tenant = not options.token and identity.named_tenant(ctx) or nil
  local limits = config.get().ws
  local id, err = ws.accept(ctx.req, {
    max_message = limits.max_message,
    queue_max = limits.queue_max,
    ping_ms = limits.ping_ms,
    deflate = limits.deflate,
  })
  if not id then
    local outdated = err.code == "VERSION"
    errors.raise(outdated and "UPGRADE_REQUIRED" or "BAD_REQUEST", err.message, {
      status = outdated and 426 or 400,
      headers = outdated and { ["Sec-WebSocket-Version"] = "13" } or nil,
    })
  end
  local state = {
    name = uuid.v7(),
    ip = ctx.ip,
    user_agent = ctx.user_agent,
    tenant_id = tenant and tenant.id,
  }
  connection.save(id, state)
  connection.send(id, { type = "welcome", connectionId = state.name, epoch = epoch })
  if options.token then
    sign_in(id, state, options.token, options.point)
  else
    await_sign_in(id)
  end
end

-- What happens to signed-in connections from outside -------------------------------

--- Closes the connections whose rights ended or changed; they come back with a token that holds.
function M.on_security_event(event)
  local room = event.session_id and rooms.of_session(event.session_id)
    or event.user_id and rooms.of_user(event.user_id)
    or event.tenant_id and rooms.of_tenant(event.tenant_id)
  if room then
    ws.publish(room, json.encode({ type = "error", code = "UNAUTHORIZED",
      message = "The session has ended" }))
    ws.close_room(room, UNAUTHORIZED, "UNAUTHORIZED")
  end
end

--- Tells the connections whose tokens expired in these seconds; the host closes those that do not
-- sign in again in time.
function M.tell_expired(first_second, last_second)
  for second = first_second, last_second do
    ws.publish(rooms.of_expiry(second), json.encode({ type = "auth:expired" }))
  end
end

return M
