--- The tenant's people and roles, for those who administer them.

local etag = require("core.etag")
local json = require("core.json")
local reply = require("core.reply")
local answers = require("services.identity.answers")
local custom_roles = require("services.identity.custom_roles")
local members = require("services.identity.members")
local people = require("services.identity.people")
local schema = require("services.identity.admin_schema")

local ROLE_URL = "/api/v1/roles"

local MEMBER_PROBLEMS = { [403] = "the member may do more than the caller, or would",
  [404] = "no such member", [409] = "oneself, or the last owner" }

local function with(meanings, more)
  local all = {}
  for _, list in ipairs({ meanings, more }) do
    for status, meaning in pairs(list) do
      all[status] = meaning
    end
  end
  return all
end

local function shown(thing)
  return reply.ok(thing, { etag = etag.of_shown(thing) })
end

local function list_members(ctx, input)
  local list, meta = people.list(ctx, input.query)
  return reply.ok(list, { meta = meta })
end

-- A handler that changes a member by fn(ctx, user id, body).
local function change_of(fn)
  return function(ctx, input)
    return shown(fn(ctx, input.params.id, input.body))
  end
end

return {
  { method = "GET", path = "/users", summary = "The members of the tenant, by name.",
    permission = "users.read", query = schema.members, answers = { [200] = "members" },
    returns = answers.members, handler = list_members },
  { method = "GET", path = "/users/search", summary = "Members whose name or address begins so.",
    permission = "users.read", query = schema.search, answers = { [200] = "members" },
    returns = answers.members, handler = list_members },
  { method = "GET", path = "/users/:id", summary = "A member of the tenant.",
    permission = "users.read", answers = { [200] = "the member", [404] = "no such member" },
    returns = answers.member_detail, versioned = true,
    handler = function(ctx, input)
      return shown(people.get(ctx, input.params.id))
    end },
  { method = "PUT", path = "/users/:id/status", summary = "Let a member act in the tenant, or not: "
      .. "then their sessions here end at once.",
    permission = "users.update", body = schema.status, versioned = true,
    answers = with(MEMBER_PROBLEMS, { [200] = "the member" }), returns = answers.member_detail,
    handler = change_of(members.set_status) },
  { method = "DELETE", path = "/users/:id", summary = "Remove a member from the tenant; the "
      .. "account goes, too, when it belongs to no other.",
    permission = "users.delete", answers = with(MEMBER_PROBLEMS, { [200] = "removed" }),
    returns = false, versioned = true,
    handler = function(ctx, input)
      members.remove(ctx, input.params.id)
      return reply.ok(json.null)
    end },
  { method = "PUT", path = "/admin/users/:id/role", summary = "Give a member another role.",
    permission = "roles.assign", body = schema.member_role, versioned = true,
    answers = with(MEMBER_PROBLEMS, { [200] = "the member", [400] = "no such role" }),
    returns = answers.member_detail,
    handler = function(ctx, input)
      return shown(members.set_role(ctx, input.params.id, input.body.role))
    end },
  { method = "PUT", path = "/users/:id/permissions", summary = "Give a member single permissions "
      .. "besides the roles, take some away, or leave them to the roles again.",
    permission = "roles.assign", body = schema.changes, versioned = true,
    answers = with(MEMBER_PROBLEMS, { [200] = "the member" }), returns = answers.member_detail,
    handler = change_of(members.set_permissions) },
  { method = "POST", path = "/users/:id/roles/:roleId", summary = "Give a member one of the "
      .. "tenant's own roles besides the one that they have.",
    permission = "roles.assign", body = schema.nothing, versioned = true,
    answers = with(MEMBER_PROBLEMS, { [200] = "the member", [404] = "no such member or role" }),
    returns = answers.member_detail,
    handler = function(ctx, input)
      return shown(members.give_role(ctx, input.params.id, input.params.roleId))
    end },
  { method = "DELETE", path = "/users/:id/roles/:roleId", summary = "Take such a role away.",
    permission = "roles.assign", versioned = true,
    answers = with(MEMBER_PROBLEMS, { [200] = "the member", [404] = "no such member or role" }),
    returns = answers.member_detail,
    handler = function(ctx, input)
      return shown(members.take_role(ctx, input.params.id, input.params.roleId))
    end },
  { method = "GET", path = "/permissions", summary = "The catalogue of permissions.",
    permission = "roles.assign", answers = { [200] = "permissions by name" },
    returns = schema.catalogue,
    handler = function(ctx)
      return reply.ok(custom_roles.catalogue(ctx))
    end },
  { method = "GET", path = "/roles", summary = "The built-in roles and the tenant's own.",
    permission = "roles.assign", answers = { [200] = "roles" }, returns = schema.roles,
    handler = function(ctx)
      return reply.ok(custom_roles.list(ctx))
    end },
  { method = "POST", path = "/roles", summary = "Make a role.",
    permission = "roles.assign", body = schema.new_role,
    answers = { [201] = "the role", [403] = "it would permit more than the caller may",
      [409] = "there is one of this name" },
    returns = schema.role,
    handler = function(ctx, input)
      local role = custom_roles.create(ctx, input.body)
      return reply.created(ROLE_URL .. "/" .. role.id, role, { etag = etag.of_shown(role) })
    end },
  { method = "GET", path = "/roles/:id", summary = "A role.",
    permission = "roles.assign", versioned = true, params = schema.role_id,
    answers = { [200] = "the role", [404] = "no such role" }, returns = schema.role,
    handler = function(ctx, input)
      return shown(custom_roles.get(ctx, input.params.id))
    end },
  { method = "PUT", path = "/roles/:id", summary = "Change a role; those who have it have the new "
      .. "one with their next request.",
    permission = "roles.assign", versioned = true,
    params = schema.role_id, body = schema.role_changes,
    answers = { [200] = "the role", [403] = "built-in, or more than the caller may",
      [404] = "no such role", [409] = "there is one of this name" },
    returns = schema.role,
    handler = function(ctx, input)
      return shown(custom_roles.update(ctx, input.params.id, input.body))
    end },
  { method = "DELETE", path = "/roles/:id", summary = "Delete a role.",
    permission = "roles.assign", versioned = true, params = schema.role_id,
    answers = { [200] = "deleted", [403] = "built-in, or more than the caller may",
      [404] = "no such role", [409] = "it is the one role of somebody" },
    returns = false,
    handler = function(ctx, input)
      custom_roles.delete(ctx, input.params.id)
      return reply.ok(json.null)
    end },
}
