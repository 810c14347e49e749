--- Accounts, sessions, tenants and roles: who is calling, and for whom.

local persons = require("services.persons")
local authentication = require("services.identity.authentication")
local export = require("services.identity.export")
local invitations = require("services.identity.invitations_store")
local keys = require("services.identity.keys")
local people = require("services.identity.people")
local roles = require("services.identity.roles")
local standing = require("services.identity.standing")
local tenants = require("services.identity.tenants")

local M = {}

local WORKSPACE_ROOM = "workspace:"

local following -- the loop that follows security_events, while started

M.hooks = {
  authenticate = authentication.authenticate,
  resolve_tenant = tenants.resolve,
  find_tenant = tenants.find,
  recipients = people.recipients,
  -- Those who work for a tenant hear who joins it and who leaves.
  rooms = function(ctx)
    return roles.is_staff(ctx.actor.role) and { WORKSPACE_ROOM .. ctx.tenant.id } or {}
  end,
}

--- What an erasure removes besides the account.
M.personal = {
  erase = function(ctx, user_id)
    export.erase(ctx, user_id)
    invitations.forget_person(ctx, user_id)
  end,
}

-- Richest first: a connection gets the first that it is in. Both are told the same.
local function member_rooms(event)
  return {
    { room = "tenant_" .. event.tenantId .. "_admin", data = event.data },
    { room = WORKSPACE_ROOM .. event.tenantId, data = event.data },
  }
end

M.events = {
  ["workspace.member.joined"] = { socket = "workspace:member:joined", rooms = member_rooms },
  ["workspace.member.left"] = { socket = "workspace:member:left", rooms = member_rooms },
}

--- The actor and the tenant of an access token; raises 401.
M.of_token = standing.of_token

--- The same of a session that is known already.
M.of_session = standing.of_session

--- Calls fn(event) for each change of rights: {kind, user_id, tenant_id, session_id}.
M.watch = standing.watch
M.unwatch = standing.unwatch

--- Whether such a change is about rights, and not only about what a tenant has set or published.
M.touches_rights = standing.touches_rights

--- Announces a change of rights, in the transaction that makes it.
M.announce = standing.announce

--- An active tenant by id or by slug, or nil.
M.find_tenant = tenants.find
M.find_tenant_by_slug = tenants.find_by_slug

--- The tenant that a request names, or nil; raises 404 when there is no such tenant.
M.named_tenant = tenants.named

--- An active member of the context's tenant, {id, name, role, permissions = a set}, or nil.
M.find_user = people.find

--- A member, and one page of them, as the API shows them to who has users.read.
M.get_member = people.get
M.list_members = people.list

--- The members with one of these roles.
-- @usage identity.members_with_role(ctx, { "dispatcher", "admin" })
M.members_with_role = people.with_role

--- Whether who has a role of this name works for the tenant.
M.is_staff = roles.is_staff

--- Whether a built-in role has the permission.
function M.role_has(role, permission)
  return roles.permissions(role)[permission] == true
end

-- An account that has changed may have been erased, and its key destroyed with it.
local function changed(event)
  if event.kind == "user.changed" then
    persons.changed(event.user_id)
  end
end

function M.start()
  keys.check()
  standing.watch(changed)
  following = standing.start()
end

function M.stop()
  following:stop()
  standing.unwatch(changed)
end

return M
