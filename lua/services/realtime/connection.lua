--- What is known of one connection. It lives with the connection in the host, as JSON, so that
-- it outlives reloads; here is only how to read and change it.
--
-- state = { name (its id outside), user_id, tenant_id, session_id, expires_ms, role rooms as
--   `rights` {hub name...}, `topics` {topic = hub name}, `bad` (malformed frames), public (follows
--   a public topic without signing in), ip }

local context = require("core.context")
local json = require("core.json")
local ws = require("core.ws")
local identity = require("services.identity")
local rooms = require("services.realtime.rooms")

local M = {}

--- The state of a connection, or nil when it is gone.
function M.load(id)
  local text = ws.data(id)
  return text and json.decode(text)
end

--- Keeps a changed state.
function M.save(id, state)
  ws.set_data(id, json.encode(state))
end

--- A frame as it goes out: its text, and what a stream of events tells beside it: from where one
-- can go on, and whose listeners hear it. "error" is what a browser calls its own failures.
function M.wire(frame)
  local name = frame.event or frame.type
  return json.encode(frame), frame.seq and ("%s:%d"):format(frame.epoch, frame.seq),
    name ~= "error" and name or nil
end

--- Sends one frame.
function M.send(id, frame)
  return ws.send(id, M.wire(frame))
end

--- Sends one frame to all in a room.
-- @param stamp who got the latest frame with the same one is passed over, or nil
function M.publish(room, frame, stamp)
  local text, mark, name = M.wire(frame)
  return ws.publish(room, text, stamp, mark, name)
end

--- Tells what is wrong; `fields` go into the frame.
function M.refuse(id, code, message, fields)
  local frame = fields or {}
  frame.type, frame.code, frame.message = "error", code, message
  M.send(id, frame)
end

--- A context that acts as the connection's user, or as nobody. May wait; raises 401 when the
-- session has ended.
function M.context(state)
  local ctx = context.new({ ip = state.ip, user_agent = state.user_agent })
  if state.session_id then
    ctx.actor, ctx.tenant = identity.of_session(ctx, state.session_id, state.expires_ms)
  elseif state.tenant_id then
    ctx.tenant = identity.find_tenant(ctx, state.tenant_id)
  end
  return ctx
end

-- The bookkeeping rooms of a state that is signed in.
local function own_rooms(state)
  local list = {
    rooms.of_session(state.session_id),
    rooms.of_user(state.user_id),
    rooms.of_expiry(state.expires_ms / 1000),
  }
  if state.tenant_id then
    list[#list + 1] = rooms.of_tenant(state.tenant_id)
  end
  return list
end

--- Whether all that the state hears is of its own tenant. Else a number says nothing: each tenant
-- has a sequence of its own.
function M.is_of_one_tenant(state)
  local own = rooms.hub_name(state.tenant_id, "")
  for room in pairs(M.rooms(state)) do
    if room:sub(1, 1) ~= "!" and room:sub(1, #own) ~= own then
      return false
    end
  end
  return true
end

--- Joins the rooms by which a signed-in connection hears of the end of its rights.
function M.join_own(id, state)
  for _, room in ipairs(own_rooms(state)) do
    ws.join(id, room)
  end
end

--- All rooms that a state says the connection is to be in: a set of hub names.
function M.rooms(state)
  local set = {}
  for _, room in ipairs(state.rights or {}) do
    set[room] = true
  end
  for _, room in pairs(state.topics or {}) do
    set[room] = true
  end
  if state.session_id then
    for _, room in ipairs(own_rooms(state)) do
      set[room] = true
    end
  end
  return set
end

--- Joins and leaves until the connection is in exactly the rooms of its state.
function M.settle(id, state)
  local wanted = M.rooms(state)
  for _, room in ipairs(ws.rooms(id)) do
    if not wanted[room] then
      ws.leave(id, room)
    end
  end
  for room in pairs(wanted) do
    ws.join(id, room)
  end
end

--- Leaves every room that events are published to: nothing is heard until settle().
function M.mute(id)
  for _, room in ipairs(ws.rooms(id)) do
    if room:sub(1, 1) ~= "!" then
      ws.leave(id, room)
    end
  end
end

return M
