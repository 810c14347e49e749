--- GET /ws: the one WebSocket endpoint.

local config = require("core.config")
local errors = require("core.errors")
local input = require("core.input")
local reply = require("core.reply")
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

-- ?epoch=&lastSeq=, or ?lastEventId=<epoch>:<seq>
local function resume_point(query)
  local epoch, seq = query.epoch, query.lastSeq
  if query.lastEventId and type(query.lastEventId) == "string" then
    epoch, seq = query.lastEventId:match("^(.*):(%d+)$")
  end
  if epoch == nil and seq == nil then
    return nil
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

return {
  { method = "GET", path = "/ws", base = "", summary = "Events as they happen, by WebSocket.",
    permission = "public", authenticate = false, tenant = false,
    answers = { [101] = "the connection is a WebSocket", [426] = "no WebSocket handshake" },
    handler = open },
}
