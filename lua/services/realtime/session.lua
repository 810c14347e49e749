--- Who a connection is and what it follows, whatever protocol it speaks; and what happens to it
-- from outside: its rights end or change, its token expires.

local errors = require("core.errors")
local json = require("core.json")
local log = require("core.log")
local task = require("core.task")
local time = require("core.time")
local ws = require("core.ws")
local events = require("services.events")
local identity = require("services.identity")
local connection = require("services.realtime.connection")
local rooms = require("services.realtime.rooms")

local M = {}

local UNAUTHORIZED, LATER, AGAIN = 4401, 1013, 1012 -- close codes
local EXPIRY_GRACE_MS = 10000
local TOPICS_MAX = 100

M.UNAUTHORIZED = UNAUTHORIZED

--- Tells a connection that it may not be here, and closes it.
function M.close_unauthorized(id, message)
  connection.refuse(id, "UNAUTHORIZED", message)
  ws.close(id, UNAUTHORIZED, "UNAUTHORIZED")
end

--- Closes a connection whose sign-in or resuming failed.
function M.give_up(id, err)
  if errors.is(err) and err.status == 401 then
    return M.close_unauthorized(id, err.message)
  end
  log.warn(nil, "sign-in of a connection failed", { error = tostring(err) })
  connection.refuse(id, "SERVICE_UNAVAILABLE", "Try again later")
  ws.close(id, LATER, "SERVICE_UNAVAILABLE")
end

-- The rooms that a context hears by right: the hub's names, and those that clients know.
local function rights_of(ctx)
  local tenant_id = ctx.tenant and ctx.tenant.id
  local rights, names = {}, json.array({})
  for i, room in ipairs(rooms.by_right(ctx)) do
    rights[i], names[i] = rooms.hub_name(tenant_id, room), room
  end
  return rights, names
end

--- The state of a connection after a sign-in; what was followed stays while it is the same person.
-- @param ctx has the actor and the tenant of the token
-- @return the state, the names of the rooms by right
function M.signed_in(state, ctx)
  local actor, tenant_id = ctx.actor, ctx.tenant and ctx.tenant.id
  local same = state.user_id == actor.user_id and state.tenant_id == tenant_id
  local rights, names = rights_of(ctx)
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

--- Makes the connection that of a signed-in state and tells it so. It hears of the end of its
-- session from here on; one that ended since its token was read raises 401.
function M.admit(id, state, ctx, names)
  connection.save(id, state)
  ws.deadline(id, math.max(1, state.expires_ms - time.now_ms()) + EXPIRY_GRACE_MS,
    UNAUTHORIZED, "the token expired")
  connection.join_own(id, state)
  identity.of_session(ctx, state.session_id, state.expires_ms)
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
end

local function count(topics)
  local n = 0
  for _ in pairs(topics) do
    n = n + 1
  end
  return n
end

--- Adds a topic to what the state follows. Who does not sign in acts in the tenant of the topic.
-- @return true; or nil, a code and a message when the context may not hear it
function M.follow(state, ctx, topic)
  local room, tenant_id = rooms.of_topic(ctx, topic)
  if not room then
    return nil, "FORBIDDEN", "You may not hear this"
  end
  state.topics = state.topics or {}
  if not state.topics[topic] and count(state.topics) >= TOPICS_MAX then
    return nil, "TOO_MANY", "Too many topics"
  end
  state.topics[topic] = rooms.hub_name(tenant_id, room)
  if not state.session_id then
    state.public, state.tenant_id = true, tenant_id
  end
  return true
end

-- Whether a context may hear what the state says, no more and no less.
local function is_as_before(ctx, state)
  local rights = rights_of(ctx)
  if table.concat(rights, " ") ~= table.concat(state.rights, " ") then
    return false
  end
  for topic, room in pairs(state.topics or {}) do
    local allowed, tenant_id = rooms.of_topic(ctx, topic)
    if not allowed or rooms.hub_name(tenant_id, allowed) ~= room then
      return false
    end
  end
  return true
end

-- Looks at a connection once more: it stays when its session and its rights are as they were.
local function look_again(id)
  local state = connection.load(id)
  if not state or not state.session_id then
    return
  end
  local ok, result = xpcall(function()
    return is_as_before(connection.context(state), state)
  end, errors.capture)
  if not ok then
    M.give_up(id, result)
  elseif not result then
    ws.close(id, AGAIN, "RIGHTS_CHANGED")
  end
end

local looking = {} -- room -> whether it is to be gone through once more

-- Looks at all in a room, one after the other. What changes meanwhile makes another round, not
-- another task.
local function look_at_room(room)
  if looking[room] ~= nil then
    looking[room] = true
    return
  end
  repeat
    looking[room] = false
    for _, id in ipairs(ws.members(room)) do
      local ok, err = pcall(look_again, id)
      if not ok then
        log.warn(nil, "a connection could not be looked at", { error = tostring(err) })
        ws.close(id, LATER, "SERVICE_UNAVAILABLE")
      end
    end
  until not looking[room]
  looking[room] = nil
end

local function close_session(session_id)
  local room = rooms.of_session(session_id)
  connection.publish(room, { type = "error", code = "UNAUTHORIZED",
    message = "The session has ended" })
  ws.close_room(room, UNAUTHORIZED, "UNAUTHORIZED")
end

--- Closes the connections whose session has ended, and those who may hear something else than
-- before: they come back. Most changes leave most connections as they were; so do those of before a
-- reload, which are told once more after it.
function M.on_security_event(event)
  if not identity.touches_rights(event) then
    return
  elseif event.session_id then
    return close_session(event.session_id)
  end
  local room = event.user_id and rooms.of_user(event.user_id)
    or event.tenant_id and rooms.of_tenant(event.tenant_id)
  if room then
    task.spawn(look_at_room, room)
  end
end

--- Tells the connections whose tokens expired in these seconds; the host closes those that do not
-- sign in again in time.
function M.tell_expired(first_second, last_second)
  for second = first_second, last_second do
    connection.publish(rooms.of_expiry(second), { type = "auth:expired" })
  end
end

return M
