--- SQL of a tenant's settings.

local db = require("core.db")

local M = {}

--- The settings of the context's tenant.
-- @param locked until the transaction ends
function M.find(ctx, locked)
  return db.scope(ctx):one([[SELECT id, branding_config, timezone, domain, settings FROM tenants
    WHERE id = ? AND deleted_at IS NULL]] .. (locked and " FOR UPDATE" or ""), ctx.tenant.id)
end

function M.update(ctx, row)
  db.scope(ctx):exec(
    "UPDATE tenants SET branding_config = ?, timezone = ?, domain = ?, settings = ? WHERE id = ?",
    row.branding_config, row.timezone, row.domain, row.settings, ctx.tenant.id)
end

--- The confirmed address of a user, or nil.
function M.find_address(ctx, user_id)
  local row = db.scope(ctx):one(
    "SELECT email FROM users WHERE id = ? AND email_verified AND deleted_at IS NULL", user_id)
  return row and row.email
end

return M
