--- Workspaces: tenants as their members see them. All but M.create and M.list act in the context's
-- tenant, into which workspace_rights has led.

local config = require("core.config")
local crypto = require("core.crypto")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local paging = require("core.paging")
local registry = require("core.registry")
local uuid = require("core.uuid")
local zone = require("core.zone")
local audit = require("services.audit")
local events = require("services.events")
local invitations = require("services.identity.invitations_store")
local keys_store = require("services.identity.api_keys_store")
local people = require("services.identity.people")
local people_store = require("services.identity.people_store")
local rights = require("services.identity.rights")
local roles = require("services.identity.roles")
local roles_store = require("services.identity.roles_store")
local sessions = require("services.identity.sessions")
local standing = require("services.identity.standing")
local store = require("services.identity.store")
local workspaces = require("services.identity.workspaces_store")

local M = {}

--- What M.list can sort by.
M.SORTS = { "name", "createdAt" }

--- What M.members can sort by: a cursor tells the value.
M.MEMBER_SORTS = { "name", "joinedAt" }

local COLUMNS = { name = "t.organization_name", createdAt = "t.created_at" }
local MAY_REMOVE = { ["users.delete"] = true }
local ACTIVE = { "active" }
local UTC = "UTC"
local SLUG_MAX = 50 -- of one that is made from a name; there is room for a suffix

local function shown(row, role)
  return {
    id = row.id,
    slug = row.slug,
    name = row.organization_name,
    contactInfo = json.raw(row.contact_info),
    branding = json.raw(row.branding_config),
    tier = row.subscription_tier,
    timezone = row.timezone,
    role = role or json.null,
    createdAt = row.created_at,
    updatedAt = row.updated_at,
  }
end

-- What the audit trail tells of a row.
local function told(row)
  return { slug = row.slug, name = row.organization_name, tier = row.subscription_tier,
    timezone = row.timezone, contactInfo = json.decode(row.contact_info) }
end

local function member_event(ctx, name, user_id, role)
  events.emit(ctx, name, { resource_type = "user", resource_id = user_id,
    data = { workspaceId = ctx.tenant.id, userId = user_id, role = role } })
end

--- Tells that somebody has become a member, in the transaction that made them one.
-- @param by how: "invitation", "creation", "domain"
function M.joined(ctx, user_id, role, by)
  standing.announce(ctx, { kind = "membership.changed", user_id = user_id,
    tenant_id = ctx.tenant.id })
  audit.write(ctx, { action = "member.join", resource_type = "user", resource_id = user_id,
    new = { role = role, by = by } })
  member_event(ctx, "workspace.member.joined", user_id, role)
end

local function slug_of(name)
  local slug = name:lower():gsub("[^a-z0-9]+", "-"):sub(1, SLUG_MAX):gsub("^%-+", "")
    :gsub("%-+$", "")
  return slug ~= "" and slug or "workspace"
end

local function slug_taken()
  errors.raise("CONFLICT", "This slug is taken",
    { details = { { field = "slug", code = "taken", message = "is taken" } } })
end

-- Runs what writes a slug; false when the slug is taken.
local function is_free(write, ...)
  local ok, err = pcall(write, ...)
  if not ok and not (errors.is(err, "CONFLICT") and err.key == "tenants_slug") then
    error(err, 0)
  end
  return ok
end

local function insert(ctx, row, wanted)
  row.slug = wanted or slug_of(row.organization_name)
  if is_free(store.insert_tenant, ctx, row) then
    return
  elseif wanted then
    slug_taken()
  end
  row.slug = row.slug .. "-" .. crypto.hex(crypto.random(4))
  store.insert_tenant(ctx, row)
end

--- Checks what a schema cannot tell of what M.create and M.update are given.
function M.check(_, input, problem)
  zone.check(input.body and input.body.timezone, "timezone", problem)
end

--- Makes a workspace, of which the caller is the owner.
-- @param input name; slug, contactInfo and timezone or nil
function M.create(ctx, input)
  local row = {
    id = uuid.v7(),
    organization_name = input.name,
    contact_info = json.encode(json.object(input.contactInfo or {})),
    branding_config = "{}",
    subscription_tier = config.get().workspaces.tier,
    settings = "{}",
    timezone = input.timezone or UTC,
  }
  local user_id = ctx.actor.user_id
  db.transaction(ctx, function(tx_ctx)
    insert(tx_ctx, row, input.slug)
    local own = tx_ctx:with({ tenant = { id = row.id } })
    workspaces.put_member(own, { id = uuid.v7(), user_id = user_id, role = "owner" })
    -- A look-up before may have kept that there is no such tenant.
    standing.announce(own, { kind = "tenant.changed", tenant_id = row.id })
    audit.write(own, { action = "workspace.create", resource_type = "workspace",
      resource_id = row.id, new = told(row) })
    M.joined(own, user_id, "owner", "creation")
  end)
  return shown(workspaces.find(ctx, row.id), "owner")
end

--- One page of the caller's workspaces. @return list, meta
function M.list(ctx, query)
  local user_id = ctx.actor.user_id
  local page = paging.read(ctx, query, { columns = COLUMNS, id = "t.id", default = "name" })
  local rows = workspaces.list_of(ctx, user_id, page)
  local meta = paging.meta(page, rows, page.page and workspaces.count_of(ctx, user_id) or nil)
  local list = json.array({})
  for i, row in ipairs(rows) do
    list[i] = shown(row, row.role)
  end
  return list, meta
end

local function find(ctx, locked)
  return workspaces.find(ctx, ctx.tenant.id, locked)
    or errors.raise("NOT_FOUND", "There is no such workspace")
end

--- The workspace.
function M.get(ctx)
  return shown(find(ctx), ctx.actor.role)
end

local function changed(row, changes)
  return {
    slug = changes.slug or row.slug,
    organization_name = changes.name or row.organization_name,
    contact_info = changes.contactInfo and json.encode(json.object(changes.contactInfo))
      or row.contact_info,
    timezone = changes.timezone or row.timezone,
    subscription_tier = changes.tier or row.subscription_tier,
  }
end

-- The time zone is one of the settings, too: who goes by those hears of it.
local function tell_of_zone(ctx, before, after)
  if after.timezone ~= before.timezone then
    for _, hook in ipairs(registry.hooks.settings_changed or {}) do
      hook(ctx, { timezone = after.timezone })
    end
  end
end

--- Changes the workspace. The tier is for who runs the platform.
-- @param changes name, slug, contactInfo, timezone, tier, as far as they change
-- @param verify called with the workspace as it is, locked
function M.update(ctx, changes, verify)
  db.transaction(ctx, function(tx_ctx)
    local row = find(tx_ctx, true)
    verify(shown(row, ctx.actor.role))
    local after = changed(row, changes)
    if after.subscription_tier ~= row.subscription_tier and not ctx.actor.platform_admin then
      errors.raise("FORBIDDEN", "The tier is set by those who run the platform")
    end
    if not is_free(workspaces.update, tx_ctx, row.id, after) then
      slug_taken()
    end
    standing.announce(tx_ctx, { kind = "tenant.changed", tenant_id = row.id })
    tell_of_zone(tx_ctx, row, after)
    audit.write(tx_ctx, { action = "workspace.update", resource_type = "workspace",
      resource_id = row.id, old = told(row), new = told(after) })
  end)
  return M.get(ctx)
end

--- Deletes the workspace (softly): its tokens end, its slug is free.
-- @param verify as of M.update
function M.delete(ctx, verify)
  db.transaction(ctx, function(tx_ctx)
    local row = find(tx_ctx, true)
    verify(shown(row, ctx.actor.role))
    workspaces.delete(tx_ctx, row.id)
    workspaces.end_sessions(tx_ctx, "workspace")
    standing.announce(tx_ctx, { kind = "tenant.ended", tenant_id = row.id })
    audit.write(tx_ctx, { action = "workspace.delete", resource_type = "workspace",
      resource_id = row.id, old = told(row) })
  end)
end

local function without_contact(member)
  return { id = member.id, firstName = member.firstName, lastName = member.lastName,
    fullName = member.fullName, role = member.role, joinedAt = member.joinedAt }
end

--- One page of the members: with users.read all of them and how to reach them, else the names of
-- those who work for the tenant. @return list, meta
function M.members(ctx, query)
  if ctx:can("users.read") then
    return people.list(ctx, query)
  elseif not roles.is_staff(ctx.actor.role) then
    errors.raise("FORBIDDEN", "You may not do this: it is for those who work for the tenant")
  end
  local wanted = { staff = true, status = ACTIVE }
  for name, value in pairs(query) do
    wanted[name] = value
  end
  local members, meta = people.list(ctx, wanted)
  local list = json.array({})
  for i, member in ipairs(members) do
    list[i] = without_contact(member)
  end
  return list, meta
end

--- What goes with a member who leaves, besides their rights: in the transaction that ends those.
function M.left(ctx, user_id, role)
  invitations.revoke_by(ctx, user_id)
  keys_store.revoke_of(ctx, user_id)
  member_event(ctx, "workspace.member.left", user_id, role)
end

-- Raises 409 when the caller's transaction has left nobody to own the tenant.
local function require_owner(ctx)
  if people_store.lock_owners(ctx) == 0 then
    errors.raise("CONFLICT", "The last owner cannot leave: hand the workspace over first")
  end
end

--- Removes a member; everybody may remove themselves. Their tokens for the tenant end, and so do
-- the invitations that they sent.
function M.remove(ctx, user_id)
  local is_own = user_id == ctx.actor.user_id
  if not is_own then
    rights.require_all(ctx, MAY_REMOVE, "remove others")
  end
  db.transaction(ctx, function(tx_ctx)
    people_store.lock_owners(tx_ctx)
    local member = people_store.find(tx_ctx, user_id)
      or errors.raise("NOT_FOUND", "There is no such member")
    if not is_own then
      rights.require_all(tx_ctx, roles.effective(member), "remove this member")
    end
    people_store.set_status(tx_ctx, user_id, "removed")
    people_store.set_permissions(tx_ctx, user_id, nil)
    roles_store.take_all(tx_ctx, user_id)
    if member.role == "owner" then
      require_owner(tx_ctx)
    end
    sessions.close_in(tx_ctx, user_id, ctx.tenant.id, "removed")
    standing.announce(tx_ctx, { kind = "membership.changed", user_id = user_id,
      tenant_id = ctx.tenant.id })
    audit.write(tx_ctx, { action = is_own and "member.leave" or "member.remove",
      resource_type = "user", resource_id = user_id, old = { role = member.role } })
    M.left(tx_ctx, user_id, member.role)
  end)
end

local function give_role(ctx, user_id, from, to)
  people_store.set_role(ctx, user_id, to)
  people_store.set_permissions(ctx, user_id, nil)
  invitations.revoke_by(ctx, user_id)
  standing.announce(ctx, { kind = "membership.changed", user_id = user_id,
    tenant_id = ctx.tenant.id })
  audit.write(ctx, { action = "member.role", resource_type = "user", resource_id = user_id,
    old = { role = from }, new = { role = to } })
end

--- Hands the workspace over: a member becomes the owner, the caller an administrator.
function M.transfer(ctx, user_id)
  if user_id == ctx.actor.user_id then
    errors.validation({ { field = "userId", code = "check", message = "must be another member" } })
  end
  db.transaction(ctx, function(tx_ctx)
    people_store.lock_owners(tx_ctx)
    local heir = people.find(tx_ctx, user_id)
    local own = store.find_membership(tx_ctx, ctx.actor.user_id, ctx.tenant.id)
    if not heir or not roles.is_staff(heir.role) then
      errors.raise("NOT_FOUND", "There is no such member who works for the tenant")
    elseif not own or own.role ~= "owner" then
      errors.raise("FORBIDDEN", "Only an owner hands a workspace over")
    end
    give_role(tx_ctx, user_id, heir.role, "owner")
    give_role(tx_ctx, ctx.actor.user_id, "owner", "admin")
  end)
end

return M
