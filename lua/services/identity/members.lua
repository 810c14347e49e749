--- What administrators decide about a tenant's people. Whoever changes somebody must have all that
-- the other may do, before and after; and a tenant never loses its last owner.

local db = require("core.db")
local errors = require("core.errors")
local etag = require("core.etag")
local json = require("core.json")
local reply = require("core.reply")
local audit = require("services.audit")
local accounts = require("services.identity.accounts_store")
local invitations = require("services.identity.invitations_store")
local people = require("services.identity.people")
local people_store = require("services.identity.people_store")
local rights = require("services.identity.rights")
local roles = require("services.identity.roles")
local roles_store = require("services.identity.roles_store")
local sessions = require("services.identity.sessions")
local standing = require("services.identity.standing")
local workspaces = require("services.identity.workspaces")

local M = {}

local function told(member)
  return member and { role = member.role, status = member.status,
    permissionChanges = member.permissionChanges, roles = member.roles }
end

-- Changes a member by apply(ctx, shown); the checks, the audit row and the announcement are here.
-- @param entry action = of the audit trail, reason = or nil
-- @return the member as shown, nil when they are none any more
local function change(ctx, id, entry, apply)
  return db.transaction(ctx, function(tx_ctx)
    local owners = people_store.lock_owners(tx_ctx)
    if not people_store.lock(tx_ctx, id) then
      errors.raise("NOT_FOUND", "There is no such member")
    end
    local before = people_store.find(tx_ctx, id)
    local old = people.show(tx_ctx, before)
    reply.require_match(tx_ctx, etag.of_shown(old))
    rights.require_all(tx_ctx, roles.effective(before), "change this member")
    apply(tx_ctx, old)
    local after = people_store.find(tx_ctx, id)
    if after then
      rights.require_all(tx_ctx, roles.effective(after), "give this")
    end
    if owners > 0 and people_store.lock_owners(tx_ctx) == 0 then
      errors.raise("CONFLICT", "This is the last owner: make somebody else one first")
    end
    invitations.revoke_by(tx_ctx, id) -- they went by what the member could do before
    local new = after and people.show(tx_ctx, after)
    local values = told(new) or {}
    values.reason = entry.reason
    audit.write(tx_ctx, { action = entry.action, resource_type = "user", resource_id = id,
      person = entry.reason and id, old = told(old), new = values })
    standing.announce(tx_ctx, { kind = "membership.changed", user_id = id,
      tenant_id = tx_ctx.tenant.id })
    return new
  end)
end

local function refuse_oneself(ctx, id)
  if id == ctx.actor.user_id then
    errors.raise("CONFLICT", "You cannot do this to yourself")
  end
end

--- Lets a member act in the tenant, or not any more: then their sessions here end at once.
-- @param input status ("active", "inactive", "banned"), reason
function M.set_status(ctx, id, input)
  refuse_oneself(ctx, id)
  local entry = { action = "user.status", reason = input.reason }
  return change(ctx, id, entry, function(tx_ctx)
    people_store.set_status(tx_ctx, id, input.status)
    if input.status ~= "active" then
      sessions.close_in(tx_ctx, id, tx_ctx.tenant.id, input.status)
    end
  end)
end

--- Removes a member. The account goes, softly, when it belongs to no other tenant.
function M.remove(ctx, id)
  refuse_oneself(ctx, id)
  change(ctx, id, { action = "user.delete" }, function(tx_ctx, old)
    local is_elsewhere = people_store.is_elsewhere(tx_ctx, id)
    people_store.set_status(tx_ctx, id, "removed")
    people_store.set_permissions(tx_ctx, id, nil)
    roles_store.take_all(tx_ctx, id)
    sessions.close_in(tx_ctx, id, tx_ctx.tenant.id, "removed")
    workspaces.left(tx_ctx, id, old.role)
    if not is_elsewhere then
      sessions.close_all(tx_ctx, id, "removed")
      accounts.delete_softly(tx_ctx, id)
    end
  end)
end

--- Gives a member another role: a built-in one, or one of the tenant's own by its name.
function M.set_role(ctx, id, role)
  if not roles.is(role) and not roles_store.find_by_name(ctx, role) then
    errors.validation({ { field = "role", code = "enum", message = "must be a role" } })
  end
  return change(ctx, id, { action = "user.role" }, function(tx_ctx)
    people_store.set_role(tx_ctx, id, role)
  end)
end

--- Adds single permissions to what the roles give, takes some away, or leaves them to the roles
-- again.
-- @param input add, remove, clear: lists of permissions
function M.set_permissions(ctx, id, input)
  local asked = { add = true, remove = false, clear = json.null }
  local wanted = {}
  for field, value in pairs(asked) do
    for permission in pairs(rights.set_of(input[field] or {}, field)) do
      if wanted[permission] ~= nil then
        errors.validation({ { field = field, code = "conflict",
          message = "names " .. permission .. ", as another list does" } })
      end
      wanted[permission] = value
    end
  end
  return change(ctx, id, { action = "user.permissions" }, function(tx_ctx, old)
    local changes = old.permissionChanges
    for permission, value in pairs(wanted) do
      if value == json.null then
        value = nil
      end
      changes[permission] = value
    end
    people_store.set_permissions(tx_ctx, id,
      next(changes) ~= nil and json.encode(json.object(changes)) or nil)
  end)
end

local function find_role(ctx, id)
  return roles_store.find(ctx, id) or errors.raise("NOT_FOUND", "There is no such role")
end

--- Gives a member one of the tenant's own roles besides the one that they have.
function M.give_role(ctx, id, role_id)
  return change(ctx, id, { action = "user.give_role" }, function(tx_ctx)
    find_role(tx_ctx, role_id)
    roles_store.give(tx_ctx, id, role_id)
  end)
end

--- Takes such a role away.
function M.take_role(ctx, id, role_id)
  return change(ctx, id, { action = "user.take_role" }, function(tx_ctx)
    find_role(tx_ctx, role_id)
    if not roles_store.take(tx_ctx, id, role_id) then
      errors.raise("NOT_FOUND", "The member does not have this role")
    end
  end)
end

return M
