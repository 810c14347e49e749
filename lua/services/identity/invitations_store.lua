--- SQL of invitations. Who comes with a secret may have no account yet, and so no tenant.

local db = require("core.db")

local M = {}

local INVITATION = [[i.id, i.tenant_id, i.email, i.role, i.invited_by, i.accepted_at, i.revoked_at,
  i.expires_at, i.created_at]]
local OPEN = "i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > NOW(3)"

function M.insert(ctx, row)
  db.scope(ctx):exec(
    [[INSERT INTO invitations (id, tenant_id, email, role, token_hash, invited_by, expires_at)
      VALUES (?, :tenant, ?, ?, ?, ?, NOW(3) + INTERVAL ? SECOND)]],
    row.id, row.email, row.role, row.token_hash, row.invited_by, row.ttl_s)
end

function M.find(ctx, id)
  return db.scope(ctx):one("SELECT " .. INVITATION .. [[ FROM invitations i
    WHERE i.tenant_id = :tenant AND i.id = ?]], id)
end

--- The open ones of the context's tenant.
-- @param page of core.paging
function M.list_open(ctx, page)
  local params = {}
  for i, value in ipairs(page.params) do
    params[i] = value
  end
  params[#params + 1] = page.fetch
  params[#params + 1] = page.offset
  return db.scope(ctx):query("SELECT " .. INVITATION .. " FROM invitations i WHERE "
    .. "i.tenant_id = :tenant AND " .. OPEN .. " AND " .. page.condition .. " ORDER BY "
    .. page.order .. " LIMIT ? OFFSET ?", unpack(params))
end

function M.count_open(ctx)
  return db.scope(ctx):one("SELECT COUNT(*) AS waiting FROM invitations i WHERE "
    .. "i.tenant_id = :tenant AND " .. OPEN).waiting
end

--- The invitation of a secret, or nil, with the seconds that are left of it.
-- @param locked until the transaction ends
function M.find_by_token(ctx, token_hash, locked)
  return db.platform(ctx):one("SELECT " .. INVITATION
    .. ", TIMESTAMPDIFF(SECOND, NOW(3), i.expires_at) AS left_s FROM invitations i "
    .. "WHERE i.token_hash = ?" .. (locked and " FOR UPDATE" or ""), token_hash)
end

function M.accept(ctx, id, user_id)
  db.scope(ctx):exec([[UPDATE invitations SET accepted_at = NOW(3), accepted_by = ?
    WHERE tenant_id = :tenant AND id = ?]], user_id, id)
end

--- Takes an open one back. @return whether there was one
function M.revoke(ctx, id)
  return db.scope(ctx):exec([[UPDATE invitations SET revoked_at = NOW(3)
    WHERE tenant_id = :tenant AND id = ? AND accepted_at IS NULL AND revoked_at IS NULL]],
    id).affected == 1
end

--- Takes the open ones to an address back.
function M.revoke_to(ctx, email)
  db.scope(ctx):exec([[UPDATE invitations SET revoked_at = NOW(3)
    WHERE tenant_id = :tenant AND email = ? AND accepted_at IS NULL AND revoked_at IS NULL]], email)
end

--- Takes the open ones by a member back.
function M.revoke_by(ctx, user_id)
  db.scope(ctx):exec([[UPDATE invitations SET revoked_at = NOW(3) WHERE tenant_id = :tenant
    AND invited_by = ? AND accepted_at IS NULL AND revoked_at IS NULL]], user_id)
end

--- Removes those to a person's address.
function M.forget_person(ctx, user_id)
  db.platform(ctx):exec(
    "DELETE FROM invitations WHERE email = (SELECT email FROM users WHERE id = ?)", user_id)
end

function M.purge(ctx)
  return db.platform(ctx):exec(
    "DELETE FROM invitations WHERE expires_at < NOW(3) - INTERVAL 30 DAY LIMIT 5000").affected
end

return M
