--- A tenant's roles: the built-in ones, which nobody changes, and those that it made for itself.

local db = require("core.db")
local errors = require("core.errors")
local etag = require("core.etag")
local json = require("core.json")
local registry = require("core.registry")
local reply = require("core.reply")
local uuid = require("core.uuid")
local audit = require("services.audit")
local rights = require("services.identity.rights")
local roles = require("services.identity.roles")
local standing = require("services.identity.standing")
local store = require("services.identity.roles_store")

local M = {}

local ROLES_MAX = 100 -- of one tenant

local function not_found()
  errors.raise("NOT_FOUND", "There is no such role")
end

local function granted(row)
  return roles.effective({ granted = row.granted })
end

local function shown(row)
  return {
    id = row.id,
    name = row.name,
    description = row.description,
    builtIn = false,
    permissions = roles.list(granted(row)),
    createdAt = row.created_at,
    updatedAt = row.updated_at,
  }
end

local function shown_built_in(name)
  return { id = name, name = name, description = roles.DESCRIPTIONS[name], builtIn = true,
    permissions = roles.list(roles.permissions(name)) }
end

--- All roles: the built-in ones from the most to the least, then the tenant's by name.
function M.list(ctx)
  local list = json.array({})
  for i, name in ipairs(roles.ORDER) do
    list[i] = shown_built_in(name)
  end
  for _, row in ipairs(store.list(ctx)) do
    list[#list + 1] = shown(row)
  end
  return list
end

--- A role of the tenant, or a built-in one, which has its name for an id; 404 when there is none.
function M.get(ctx, id)
  if roles.is(id) then
    return shown_built_in(id)
  end
  local row = uuid.is(id) and store.find(ctx, id)
  return row and shown(row) or not_found()
end

--- The catalogue of permissions: {name, description, module, held = whether the caller has it}.
function M.catalogue(ctx)
  local names, list = {}, json.array({})
  for name in pairs(registry.permissions) do
    names[name] = true
  end
  for i, name in ipairs(roles.list(names)) do
    local declared = registry.permissions[name]
    list[i] = { name = name, description = declared.description, module = declared.module,
      held = ctx:can(name) }
  end
  return list
end

local function check_name(ctx, name)
  if roles.is(name:lower()) or store.find_by_name(ctx, name) then
    errors.raise("CONFLICT", "There is a role of this name")
  end
end

local function announce(ctx)
  standing.announce(ctx, { kind = "role.changed", tenant_id = ctx.tenant.id })
end

--- Makes a role. @param input name, description, permissions
function M.create(ctx, input)
  local set = rights.set_of(input.permissions, "permissions")
  rights.require_all(ctx, set, "make this role")
  local id = uuid.v7()
  return db.transaction(ctx, function(tx_ctx)
    check_name(tx_ctx, input.name)
    if store.count(tx_ctx) >= ROLES_MAX then
      errors.raise("CONFLICT", ("There are %d roles already"):format(ROLES_MAX))
    end
    store.insert(tx_ctx, { id = id, name = input.name, description = input.description })
    store.set_permissions(tx_ctx, id, roles.list(set))
    local role = shown(store.find(tx_ctx, id))
    audit.write(tx_ctx, { action = "role.create", resource_type = "role", resource_id = id,
      new = role })
    announce(tx_ctx)
    return role
  end)
end

-- A role that the caller may change: one's own hands reach as far as it does.
local function lock(ctx, id)
  if roles.is(id) then
    errors.raise("FORBIDDEN", "The built-in roles stay as they are")
  elseif not uuid.is(id) or not store.lock(ctx, id) then
    not_found()
  end
  local row = store.find(ctx, id)
  reply.require_match(ctx, etag.of_shown(shown(row)))
  rights.require_all(ctx, granted(row), "change this role")
  return row
end

--- Changes a role; who has it has the new one with their next request.
-- @param input name, description, permissions: those that are given
function M.update(ctx, id, input)
  local set = input.permissions and rights.set_of(input.permissions, "permissions")
  if set then
    rights.require_all(ctx, set, "give this")
  end
  return db.transaction(ctx, function(tx_ctx)
    local row = lock(tx_ctx, id)
    local name = input.name or row.name
    if name ~= row.name then
      check_name(tx_ctx, name)
      store.rename_held(tx_ctx, row.name, name)
    end
    store.update(tx_ctx, id, { name = name, description = input.description or row.description })
    if set then
      store.set_permissions(tx_ctx, id, roles.list(set))
    end
    local role = shown(store.find(tx_ctx, id))
    audit.write(tx_ctx, { action = "role.update", resource_type = "role", resource_id = id,
      old = shown(row), new = role })
    announce(tx_ctx)
    return role
  end)
end

--- Deletes a role; 409 while it is the one role of somebody.
function M.delete(ctx, id)
  db.transaction(ctx, function(tx_ctx)
    local row = lock(tx_ctx, id)
    if store.is_main(tx_ctx, row.name) then
      errors.raise("CONFLICT", "Members have this role: give them another first")
    end
    store.delete(tx_ctx, id)
    audit.write(tx_ctx, { action = "role.delete", resource_type = "role", resource_id = id,
      old = shown(row) })
    announce(tx_ctx)
  end)
end

return M
