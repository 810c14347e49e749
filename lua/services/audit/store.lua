--- SQL of the audit trail. It goes past the tenant check because a row may belong to no tenant.

local db = require("core.db")

local M = {}

function M.insert(ctx, row)
  db.platform(ctx):queue(
    [[INSERT INTO audit_logs (id, tenant_id, user_id, actor, action, resource_type, resource_id,
        old_values, new_values, ip_address, user_agent, request_id)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)]],
    row.id, row.tenant_id, row.user_id, row.actor, row.action, row.resource_type, row.resource_id,
    row.old_values, row.new_values, row.ip_address, row.user_agent, row.request_id)
end

--- A page of what a user did, newest first unless the page says otherwise.
function M.list_of(ctx, user_id, page)
  local params = { user_id }
  for _, value in ipairs(page.params) do
    params[#params + 1] = value
  end
  params[#params + 1] = page.fetch
  params[#params + 1] = page.offset
  return db.platform(ctx):query(
    [[SELECT a.id, a.tenant_id, a.action, a.resource_type, a.resource_id, a.old_values,
        a.new_values, a.ip_address, a.user_agent, a.created_at
      FROM audit_logs a WHERE a.user_id = ? AND ]] .. page.condition .. " ORDER BY " .. page.order
      .. " LIMIT ? OFFSET ?", unpack(params))
end

--- The rows of an action on these things of the tenant, oldest first: {resource_id, new_values,
-- created_at} each.
function M.list_of_resources(ctx, resource_type, ids, action)
  return db.scope(ctx):query([[SELECT a.resource_id, a.new_values, a.created_at FROM audit_logs a
    WHERE a.tenant_id = :tenant AND a.resource_type = ? AND a.action = ? AND a.resource_id IN (]]
      .. ("?,"):rep(#ids):sub(1, -2) .. ") ORDER BY a.created_at, a.id",
    resource_type, action, unpack(ids))
end

function M.count_of(ctx, user_id)
  return db.platform(ctx):one(
    "SELECT COUNT(*) AS entries FROM audit_logs WHERE user_id = ?", user_id).entries
end

return M
