--- The protocol of /ws: JSON frames with a `type`. A connection hears nothing before it has signed
-- in or followed a public topic.

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
local resume = require("services.realtime.resume")
local session = require("services.realtime.session")

local M = {}

local UNAUTHORIZED, POLICY = session.UNAUTHORIZED, 1008 -- close codes
local SIGN_IN_MS = 5000
local SIGN_IN_SLACK_MS = 1000
local BAD_MAX = 5
local TOPIC_MAX = 200 -- bytes
local FRAME_DEPTH = { max_depth = 16 }

-- Signing in ------------------------------------------------------------------

local function sign_in(id, state, token, point)
  local ctx = context.new({ ip = state.ip, user_agent = state.user_agent })
  local ok, err = pcall(function()
    ctx.actor, ctx.tenant = identity.of_token(ctx, token)
    local names
    state, names = session.signed_in(state, ctx)
    session.admit(id, state, ctx, names)
    if point then
      resume.from(id, state, point)
    else
      connection.settle(id, state)
    end
  end)
  if not ok then
    session.give_up(id, err)
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
      session.close_unauthorized(id, "Sign in within 5 s")
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
    return session.close_unauthorized(id, "The token is missing")
  end
  local point = frame.lastSeq ~= nil and { epoch = frame.epoch, seq = frame.lastSeq } or nil
  sign_in(id, state, frame.token, point)
end

function handlers.resume(id, state, frame)
  if not state.session_id and not state.public then
    return connection.refuse(id, "UNAUTHORIZED", "Sign in first")
  end
  resume.from(id, state, { epoch = frame.epoch, seq = frame.lastSeq })
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
  local ok, followed, code, message = pcall(function()
    return session.follow(state, topic_context(state, frame), topic)
  end)
  if not ok and not errors.is(followed) then
    error(followed, 0)
  end
  if not ok and followed.status >= 500 then
    return connection.refuse(id, "SERVICE_UNAVAILABLE", "Try again later", { topic = topic })
  end
  if not ok or not followed then
    return connection.refuse(id, code or "FORBIDDEN", message or "You may not hear this",
      { topic = topic })
  end
  if not state.session_id then
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
      return session.close_unauthorized(id, result.message)
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
    headers = { ["X-Request-Id"] = ctx.request_id },
  })
  if not id then
    local outdated = err.code == "VERSION"
    errors.raise(outdated and "UPGRADE_REQUIRED" or "BAD_REQUEST", err.message, {
      status = outdated and 426 or 400,
      headers = outdated and { Upgrade = "websocket", ["Sec-WebSocket-Version"] = "13" } or nil,
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

return M
