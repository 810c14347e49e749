-- SQL of what reports hold of a person: an account may report in any tenant, member or not, so this
-- goes past the tenant, and always by the person.

local db = require("core.db")

local M = {}

--- {made=, resolved=}.
function M.count_of(ctx, user_id)
  return db.platform(ctx):one(
    [[SELECT COUNT(*) AS made, COALESCE(SUM(resolved_at IS NOT NULL), 0) AS resolved
      FROM reports WHERE reporter_id = ? AND deleted_at IS NULL]], user_id)
end

function M.list_of(ctx, user_id)
  return db.platform(ctx):query(
    [[SELECT id, tenant_id, reporter_contact, tracking_code, title, description,
        location_description, latitude, longitude, category, severity_level, status, created_at
      FROM reports WHERE reporter_id = ? AND deleted_at IS NULL ORDER BY created_at, id]], user_id)
end

function M.forget_contact(ctx, user_id)
  db.platform(ctx):exec(
    "UPDATE reports SET reporter_contact = NULL WHERE reporter_id = ?", user_id)
end

return M
