-- SQL of what work orders hold of a person, over all tenants they work in, always by the person.

local db = require("core.db")

local M = {}

--- {open=, completed=, remediations=}.
function M.count_of(ctx, user_id)
  return db.platform(ctx):one(
    [[SELECT
        (SELECT COUNT(*) FROM work_orders WHERE assigned_to = ? AND deleted_at IS NULL
          AND status IN ('assigned', 'accepted', 'scheduled', 'in_progress', 'on_hold')) AS open,
        (SELECT COUNT(*) FROM work_orders WHERE assigned_to = ? AND deleted_at IS NULL
          AND status IN ('completed', 'verified')) AS completed,
        (SELECT COUNT(*) FROM remediations WHERE performed_by = ? AND deleted_at IS NULL)
          AS remediations]], user_id, user_id, user_id)
end

function M.list_of(ctx, user_id)
  return db.platform(ctx):query(
    [[SELECT id, tenant_id, number, title, status, priority, created_at
      FROM work_orders WHERE assigned_to = ? AND deleted_at IS NULL ORDER BY created_at, id]],
    user_id)
end

function M.list_remediations_of(ctx, user_id)
  return db.platform(ctx):query(
    [[SELECT id, tenant_id, work_order_id, description, time_spent, completion_date, created_at
      FROM remediations WHERE performed_by = ? AND deleted_at IS NULL ORDER BY created_at, id]],
    user_id)
end

return M
