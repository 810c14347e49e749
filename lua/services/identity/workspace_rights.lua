--- Acting in the workspace that a path names, whichever one the caller's token is for.

local errors = require("core.errors")
local roles = require("services.identity.roles")
local store = require("services.identity.store")
local tenants = require("services.identity.tenants")

local M = {}

local function not_found()
  errors.raise("NOT_FOUND", "There is no such workspace")
end

--- Makes the context one of the workspace `id`, with the rights that the caller has there; 404
-- when they are no member. A key is for its own tenant alone; who runs the platform enters all,
-- with the rights of the platform.
function M.enter(ctx, params)
  local actor = ctx.actor
  if ctx.tenant and ctx.tenant.id == params.id then
    return
  end
  local tenant = actor.session_id and tenants.find(ctx, params.id) or not_found()
  local membership = store.find_membership(ctx, actor.user_id, tenant.id)
  if not membership and not actor.platform_admin then
    not_found()
  end
  membership = membership or {}
  local there = {}
  for name, value in pairs(actor) do
    there[name] = value
  end
  there.role = membership.role
  there.permissions = roles.effective({ role = membership.role, granted = membership.granted,
    permissions = membership.permissions, platform_admin = actor.platform_admin })
  ctx.actor, ctx.tenant = there, tenant
end

return M
