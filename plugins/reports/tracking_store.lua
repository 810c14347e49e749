-- The way from a tracking code to its report. A code is asked for by people who name no tenant, so
-- this is the one statement of reports that goes past the tenant: it yields ids only, and what is
-- shown is then read with the tenant.

local db = require("core.db")

local M = {}

--- Returns {id, tenant_id} of the living report of that code, or nil.
function M.find(ctx, code)
  return db.platform(ctx):one(
    "SELECT id, tenant_id FROM reports WHERE tracking_code = ? AND deleted_at IS NULL", code)
end

return M
