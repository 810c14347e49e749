--- SQL of the audit trail. It goes past the tenant check because a row may belong to no tenant.

local db = require("core.db")

local M = {}

function M.insert(ctx, row)
  db.platform(ctx):exec(
    [[INSERT INTO audit_logs (id, tenant_id, user_id, actor, action, resource_type, resource_id,
        old_values, new_values, ip_address, user_agent, request_id)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)]],
    row.id, row.tenant_id, row.user_id, row.actor, row.action, row.resource_type, row.resource_id,
    row.old_values, row.new_values, row.ip_address, row.user_agent, row.request_id)
end

return M
