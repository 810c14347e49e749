--- Rooms: what a connection hears. Those by right are joined by the server at sign-in, others by
-- subscribing to a topic.
--
-- In the hub every room's name begins with its tenant: whatever a plugin calls its rooms, nobody
-- hears another tenant's events. Rooms of the server's own bookkeeping begin with "!" and are
-- never published to by events.

local registry = require("core.registry")

local M = {}

local HEARS_ALL = "workorders.assign" -- dispatchers and above
local HEARS_REPORTS = "reports.read" -- all who work for the tenant

--- The hub's name of a tenant's room.
function M.hub_name(tenant_id, room)
  return (tenant_id or "-") .. "|" .. room
end

--- The rooms that the context's actor hears by right.
-- @return array of names as clients know them
function M.by_right(ctx)
  local actor, tenant = ctx.actor, ctx.tenant
  local rooms = { "user_" .. actor.user_id .. "_notifications" }
  if not tenant then
    return rooms
  end
  if ctx:can(HEARS_ALL) then
    rooms[#rooms + 1] = "tenant_" .. tenant.id .. "_admin"
  end
  if actor.role ~= "viewer" and ctx:can(HEARS_REPORTS) then
    rooms[#rooms + 1] = "tenant_" .. tenant.id
  end
  for _, hook in ipairs(registry.hooks.rooms or {}) do
    for _, room in ipairs(hook(ctx)) do
      rooms[#rooms + 1] = room
    end
  end
  return rooms
end

--- The room of a topic such as "report:<id>", if the context may hear it.
-- @return room, the id of the tenant that it is in, a function that reads the topic's present
--   state; or nil
function M.of_topic(ctx, topic)
  local kind, key = topic:match("^(%l+):(.+)$")
  local rule = kind and registry.topics[kind]
  if not rule or ctx.actor.kind == "anonymous" and not rule.anonymous then
    return nil
  end
  local room, tenant_id = rule.allow(ctx, key)
  if not room then
    return nil
  end
  return room, tenant_id or ctx.tenant and ctx.tenant.id, function()
    return rule.snapshot(ctx, key)
  end
end

--- The bookkeeping rooms of a signed-in connection: by session, by user, by the second in which
-- its token expires.
function M.of_session(session_id)
  return "!session:" .. session_id
end

function M.of_user(user_id)
  return "!user:" .. user_id
end

function M.of_tenant(tenant_id)
  return "!tenant:" .. tenant_id
end

function M.of_expiry(second)
  return "!expiry:" .. math.floor(second)
end

return M
