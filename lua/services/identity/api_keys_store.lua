--- SQL of API keys. A key is found before its tenant is known.

local db = require("core.db")
local store = require("services.identity.store")

local M = {}

local KEY = [[SELECT k.id, k.user_id, k.name, k.prefix, k.scopes, k.ip_allow_list, k.version,
    k.expires_at, k.previous_until, k.last_used_at, k.created_at, u.first_name, u.last_name
  FROM api_keys k JOIN users u ON u.id = k.user_id
  WHERE k.tenant_id = :tenant AND k.revoked_at IS NULL]]

--- What lists can be sorted by: name -> for core.paging.
M.SORTS = {
  name = "k.name",
  createdAt = "k.created_at",
  lastUsedAt = { sql = "k.last_used_at", key = "last_used_at", nullable = true },
}

--- What a key of this hash may do right now: the key, its owner and the membership, in one row;
-- left_ms is how long the key is still good, nil without an end.
function M.find_standing(ctx, hash)
  return db.platform(ctx):one(
    [[SELECT k.id, k.tenant_id, k.user_id, k.scopes, k.ip_allow_list, u.email, u.first_name,
        u.last_name, u.status, u.deleted_at, m.role, m.permissions, m.is_active AS member,
        TIMESTAMPDIFF(MICROSECOND, NOW(3), IF(k.key_hash = ?, k.expires_at,
          LEAST(k.previous_until, COALESCE(k.expires_at, k.previous_until)))) DIV 1000 AS left_ms,
        ]] .. store.GRANTED .. [[

      FROM api_keys k JOIN users u ON u.id = k.user_id
      JOIN user_tenants m ON m.user_id = k.user_id AND m.tenant_id = k.tenant_id
      WHERE (k.key_hash = ? OR k.previous_hash = ?) AND k.revoked_at IS NULL]], hash, hash, hash)
end

--- Notes that a key is used, unless that was noted less than `seconds` ago.
function M.touch(ctx, id, seconds)
  db.platform(ctx):exec(
    [[UPDATE api_keys SET last_used_at = NOW(3)
      WHERE id = ? AND (last_used_at IS NULL OR last_used_at <= NOW(3) - INTERVAL ? SECOND)]],
    id, seconds)
end

function M.find(ctx, id)
  return db.scope(ctx):one(KEY .. " AND k.id = ?", id)
end

--- Locks a key's row. @return whether there is one
function M.lock(ctx, id)
  return db.scope(ctx):one(
    [[SELECT id FROM api_keys WHERE tenant_id = :tenant AND id = ? AND revoked_at IS NULL
      FOR UPDATE]], id) ~= nil
end

--- @param page of core.paging
function M.list(ctx, page)
  local params = {}
  for i, value in ipairs(page.params) do
    params[i] = value
  end
  params[#params + 1] = page.fetch
  params[#params + 1] = page.offset
  return db.scope(ctx):query(KEY .. " AND " .. page.condition .. " ORDER BY " .. page.order
    .. " LIMIT ? OFFSET ?", unpack(params))
end

function M.count(ctx)
  return db.scope(ctx):one([[SELECT COUNT(*) AS found FROM api_keys k
    WHERE k.tenant_id = :tenant AND k.revoked_at IS NULL]]).found
end

function M.insert(ctx, row)
  db.scope(ctx):exec(
    [[INSERT INTO api_keys (id, tenant_id, user_id, name, prefix, key_hash, scopes, ip_allow_list,
        expires_at) VALUES (?, :tenant, ?, ?, ?, ?, ?, ?, ?)]],
    row.id, row.user_id, row.name, row.prefix, row.key_hash, row.scopes, row.ip_allow_list,
    row.expires_at)
end

function M.update(ctx, id, row)
  db.scope(ctx):exec(
    [[UPDATE api_keys SET name = ?, scopes = ?, ip_allow_list = ?, expires_at = ?,
        version = version + 1
      WHERE tenant_id = :tenant AND id = ?]],
    row.name, row.scopes, row.ip_allow_list, row.expires_at, id)
end

--- Another key in the place of one, which works for some hours more.
function M.rotate(ctx, id, row)
  db.scope(ctx):exec(
    [[UPDATE api_keys SET previous_hash = IF(? > 0, key_hash, NULL),
        previous_until = IF(? > 0, NOW(3) + INTERVAL ? HOUR, NULL), key_hash = ?, prefix = ?,
        version = version + 1
      WHERE tenant_id = :tenant AND id = ?]],
    row.grace_hours, row.grace_hours, row.grace_hours, row.key_hash, row.prefix, id)
end

function M.revoke(ctx, id)
  db.scope(ctx):exec(
    "UPDATE api_keys SET revoked_at = NOW(3) WHERE tenant_id = :tenant AND id = ?", id)
end

--- Revokes all keys of a member.
function M.revoke_of(ctx, user_id)
  db.scope(ctx):exec(
    [[UPDATE api_keys SET revoked_at = NOW(3)
      WHERE tenant_id = :tenant AND user_id = ? AND revoked_at IS NULL]], user_id)
end

return M
