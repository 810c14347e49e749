--- SQL of a person's notifications: those of the context's tenant, and those of their account,
-- which belong to no tenant; always of the context's user.

local db = require("core.db")

local M = {}

local COLUMNS = "n.id, n.type, n.title, n.message, n.data, n.read_at, n.created_at"
local MINE = [[ FROM notifications n
  WHERE n.user_id = ? AND (n.tenant_id IS NULL OR n.tenant_id = ?)
  AND (n.expires_at IS NULL OR n.expires_at > NOW(3))]]

local function whose(ctx)
  return ctx.actor.user_id, ctx.tenant and ctx.tenant.id
end

local function conditions(filter)
  local sql, params = "", {}
  if filter.unread ~= nil then
    sql = filter.unread and " AND n.read_at IS NULL" or " AND n.read_at IS NOT NULL"
  end
  if filter.type then
    sql, params[1] = sql .. " AND n.type = ?", filter.type
  end
  return sql, params
end

-- The parameters of a statement: a tenant may be missing among them.
local function with(ctx, sql, more)
  local user_id, tenant_id = whose(ctx)
  return db.platform(ctx):query(sql, user_id, tenant_id or db.null, unpack(more))
end

--- @param filter unread (true, false or nil), type
-- @param page of core.paging
function M.list(ctx, filter, page)
  local where, params = conditions(filter)
  for _, value in ipairs(page.params) do
    params[#params + 1] = value
  end
  params[#params + 1] = page.fetch
  params[#params + 1] = page.offset
  return with(ctx, "SELECT " .. COLUMNS .. MINE .. where .. " AND " .. page.condition
    .. " ORDER BY " .. page.order .. " LIMIT ? OFFSET ?", params)
end

function M.count(ctx, filter)
  local where, params = conditions(filter)
  return with(ctx, "SELECT COUNT(*) AS notifications" .. MINE .. where, params)[1].notifications
end

function M.find(ctx, id)
  return with(ctx, "SELECT " .. COLUMNS .. MINE .. " AND n.id = ?", { id })[1]
end

-- After a find: the id is the caller's.

--- @return whether it was not read before
function M.set_read(ctx, id)
  return db.platform(ctx):exec(
    "UPDATE notifications SET read_at = NOW(3) WHERE id = ? AND user_id = ? AND read_at IS NULL",
    id, ctx.actor.user_id).affected == 1
end

--- @return how many were not read before
function M.set_all_read(ctx)
  local user_id, tenant_id = whose(ctx)
  return db.platform(ctx):exec(
    [[UPDATE notifications SET read_at = NOW(3)
      WHERE user_id = ? AND (tenant_id IS NULL OR tenant_id = ?) AND read_at IS NULL]],
    user_id, tenant_id or db.null).affected
end

function M.delete(ctx, id)
  db.platform(ctx):exec("DELETE FROM notifications WHERE id = ? AND user_id = ?", id,
    ctx.actor.user_id)
end

return M
