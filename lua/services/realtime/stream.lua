--- GET /events: the frames of /ws for those who can only read, as server-sent events.
--
-- All that can fail is asked before the stream begins, so that a refusal is an HTTP status, after
-- which a browser does not come back. A stream always goes on from a point, its own or the
-- present: so what happens between reading that point and joining the rooms is not lost, and a
-- client that lost its stream before the first event has an id to come back with.

local config = require("core.config")
local errors = require("core.errors")
local rate_limit = require("core.rate_limit")
local uuid = require("core.uuid")
local ws = require("core.ws")
local identity = require("services.identity")
local connection = require("services.realtime.connection")
local resume = require("services.realtime.resume")
local session = require("services.realtime.session")

local M = {}

local function refuse_topic(code, message, topic)
  errors.raise(code, message, { details = { { field = "topic", code = "refused",
    message = topic .. ": " .. message } } })
end

local function follow_all(state, ctx, topics)
  for _, topic in ipairs(topics) do
    rate_limit.count(ctx, "frame") -- each asks the database
    local followed, code, message = session.follow(state, ctx, topic)
    if not followed then
      refuse_topic(code == "FORBIDDEN" and code or "VALIDATION_ERROR", message, topic)
    end
    if not connection.is_of_one_tenant(state) then
      refuse_topic("VALIDATION_ERROR", "A stream hears one tenant: its ids are that one's", topic)
    end
  end
end

--- Asks all that a stream needs; raises 400, 401, 403 or 404.
-- @param options token, topics (array), query (may name the tenant of the topics), point
-- @return what M.open takes
function M.prepare(ctx, options)
  local state = { name = uuid.v7(), ip = ctx.ip, user_agent = ctx.user_agent }
  local names
  if options.token then
    ctx.actor, ctx.tenant = identity.of_token(ctx, options.token)
    state, names = session.signed_in(state, ctx)
  elseif #options.topics == 0 then
    errors.raise("UNAUTHORIZED", "Sign in, or name a public topic")
  else
    ctx.tenant = identity.named_tenant(ctx, options.query)
  end
  follow_all(state, ctx, options.topics)
  return {
    state = state,
    names = names,
    topics = options.topics,
    point = options.point,
    present = resume.present(state.tenant_id),
  }
end

--- Answers the request with the stream that was prepared.
-- @param headers of the answer
function M.open(ctx, prepared, headers)
  local limits = config.get().ws
  local id, err = ws.accept_events(ctx.req, {
    headers = headers,
    queue_max = limits.queue_max,
    ping_ms = limits.ping_ms,
  })
  if not id then
    errors.raise("BAD_REQUEST", err.message)
  end
  local state, point, present = prepared.state, prepared.point, prepared.present
  connection.send(id, { type = "welcome", connectionId = state.name, epoch = present.epoch,
    seq = not point and present.seq or nil })
  local ok, problem = xpcall(function()
    if prepared.names then
      session.admit(id, state, ctx, prepared.names)
    end
    connection.save(id, state)
    for _, topic in ipairs(prepared.topics) do
      connection.send(id, { type = "subscribed", topic = topic, epoch = present.epoch })
    end
    if point or present.seq then
      resume.from(id, state, point or present)
    else
      connection.settle(id, state)
    end
  end, errors.capture)
  if not ok then
    session.give_up(id, problem)
  end
end

return M
