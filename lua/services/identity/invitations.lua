--- Invitations to a workspace, by mail. Who has the secret has read the mail: so using it also
-- confirms the address.

local config = require("core.config")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local paging = require("core.paging")
local uuid = require("core.uuid")
local audit = require("services.audit")
local notifications = require("services.notifications")
local invitations = require("services.identity.invitations_store")
local mails = require("services.identity.mails")
local people_store = require("services.identity.people_store")
local rights = require("services.identity.rights")
local roles = require("services.identity.roles")
local roles_store = require("services.identity.roles_store")
local store = require("services.identity.store")
local tenants = require("services.identity.tenants")
local tokens = require("services.identity.tokens")
local workspaces = require("services.identity.workspaces")
local workspaces_store = require("services.identity.workspaces_store")

local M = {}

local TTL_S = 7 * 86400
local NAME_MAX = 60
local LINK = "%s/invite?token=%s&workspace=%s"
local COLUMNS = { createdAt = "i.created_at" }

--- What M.list can sort by.
M.SORTS = { "createdAt" }

local function shown(row)
  return {
    id = row.id,
    email = row.email,
    role = row.role,
    invitedBy = row.invited_by,
    createdAt = row.created_at,
    expiresAt = row.expires_at,
  }
end

-- Anybody can make a workspace of any name and invite any address: the mail must not carry their
-- message, or a link of theirs.
local function plain(name, instead)
  local is_plain = #name <= NAME_MAX and not name:find("[%c/:@<>]") and not name:find("%w%.%w")
    and name:find("%w")
  return is_plain and name or instead
end

local function send(ctx, email, secret)
  notifications.mail(ctx, {
    to = { address = email },
    type = "workspace.invitation",
    template = mails.invitation,
    data = {
      link = LINK:format(config.get().http.frontend_url, secret, ctx.tenant.id),
      inviter = plain(ctx.actor.name or "", "Somebody"),
      workspace = plain(ctx.tenant.name, "their workspace"),
    },
  })
end

-- What a role permits, or nil when there is none of this name for those who work for the tenant.
local function permissions_of(ctx, role)
  if roles.is(role) then
    return roles.is_staff(role) and roles.permissions(role) or nil
  end
  local own = roles_store.find_by_name(ctx, role)
  return own and roles.effective({ granted = own.granted })
end

-- Nobody invites to more than they may do themselves.
local function check_role(ctx, role)
  local permissions = permissions_of(ctx, role) or errors.validation({ { field = "role",
    code = "enum", message = "must be a role of those who work for the tenant" } })
  rights.require_all(ctx, permissions, "invite to this role")
end

-- Whether somebody works for the tenant already, or was barred from it.
local function is_settled(member)
  return member and member.status ~= "removed"
    and (member.status ~= "active" or roles.is_staff(member.role))
end

-- Whoever is being removed meanwhile invites nobody any more: their row is locked.
local function require_member(ctx)
  local own = workspaces_store.lock_member(ctx, ctx.actor.user_id)
  if not own or own.status ~= "active" then
    errors.raise("FORBIDDEN", "You are no member of this workspace")
  end
end

--- Invites an address to the context's tenant; one that was invited before gets a new secret. The
-- answer is the same whether the address has an account or not.
-- @param input email, role
function M.invite(ctx, input)
  check_role(ctx, input.role)
  local email = input.email:lower()
  local user = store.find_user_by_email(ctx, email)
  if user and is_settled(people_store.find(ctx, user.id)) then
    errors.raise("CONFLICT", "Whoever has this address is a member already")
  end
  local id = uuid.v7()
  local secret, hash = tokens.secret()
  db.transaction(ctx, function(tx_ctx)
    require_member(tx_ctx)
    invitations.revoke_to(tx_ctx, email)
    invitations.insert(tx_ctx, { id = id, email = email, role = input.role, token_hash = hash,
      invited_by = ctx.actor.user_id, ttl_s = TTL_S })
    send(tx_ctx, email, secret)
    audit.write(tx_ctx, { action = "member.invite", resource_type = "invitation",
      resource_id = id, new = { role = input.role } })
  end)
  return shown(invitations.find(ctx, id))
end

--- One page of the invitations that wait for an answer. @return list, meta
function M.list(ctx, query)
  local page = paging.read(ctx, query, { columns = COLUMNS, id = "i.id", default = "-createdAt" })
  local rows = invitations.list_open(ctx, page)
  local meta = paging.meta(page, rows, page.page and invitations.count_open(ctx) or nil)
  local list = json.array({})
  for i, row in ipairs(rows) do
    list[i] = shown(row)
  end
  return list, meta
end

--- Takes an invitation back.
function M.revoke(ctx, id)
  db.transaction(ctx, function(tx_ctx)
    if not invitations.revoke(tx_ctx, id) then
      errors.raise("NOT_FOUND", "There is no such invitation that waits for an answer")
    end
    audit.write(tx_ctx, { action = "member.uninvite", resource_type = "invitation",
      resource_id = id })
  end)
end

--- The invitation of a secret for an address; raises 404 when there is none, 409 when it was used,
-- 410 when it is too old, 403 when it is for somebody else.
-- @param locked until the transaction ends
-- @return the row, the tenant
function M.find(ctx, secret, email, locked)
  local row = invitations.find_by_token(ctx, tokens.digest(secret), locked)
  local tenant = row and not row.revoked_at and tenants.find(ctx, row.tenant_id)
  if not tenant then
    errors.raise("NOT_FOUND", "There is no such invitation")
  elseif row.accepted_at then
    errors.raise("CONFLICT", "The invitation was accepted already")
  elseif row.left_s <= 0 then
    errors.raise("GONE", "The invitation is too old: ask for a new one")
  elseif row.email ~= email then
    errors.raise("FORBIDDEN", "The invitation is for another address")
  end
  return row, tenant
end

--- Uses an invitation up, in the caller's transaction: its user becomes a member.
-- @param ctx of the tenant that invited
-- @param user a row of users
function M.redeem(ctx, row, user)
  local member = workspaces_store.lock_member(ctx, user.id)
  if is_settled(member) then
    errors.raise(member.status == "active" and "CONFLICT" or "FORBIDDEN",
      member.status == "active" and "You are a member already" or "You may not join this workspace")
  end
  local inviter = people_store.find(ctx, row.invited_by)
  if not inviter or inviter.status ~= "active" then
    errors.raise("NOT_FOUND", "Who invited you is no member any more: ask for a new invitation")
  elseif not permissions_of(ctx, row.role) then
    errors.raise("NOT_FOUND", "The role of the invitation is gone: ask for a new one")
  end
  invitations.accept(ctx, row.id, user.id)
  workspaces_store.put_member(ctx, { id = uuid.v7(), user_id = user.id, role = row.role })
  store.set_employee(ctx, user.id)
  store.set_verified(ctx, user.id)
  workspaces.joined(ctx, user.id, row.role, "invitation")
end

--- Accepts an invitation for the caller.
-- @return {workspace = {id, slug, name}, role}
function M.accept(ctx, tenant_id, secret)
  local user = store.find_user(ctx, ctx.actor.user_id)
  return db.transaction(ctx, function(tx_ctx)
    local row, tenant = M.find(tx_ctx, secret, user.email, true)
    if row.tenant_id ~= tenant_id then
      errors.raise("NOT_FOUND", "There is no such invitation")
    end
    M.redeem(tx_ctx:with({ tenant = tenant }), row, user)
    return { workspace = { id = tenant.id, slug = tenant.slug, name = tenant.name },
      role = row.role }
  end)
end

return M
