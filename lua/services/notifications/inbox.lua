--- What a person was told inside the product: their list, in the tenant where they are and of
-- their account.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local paging = require("core.paging")
local audit = require("services.audit")
local events = require("services.events")
local store = require("services.notifications.inbox_store")

local M = {}

local PAGING = { columns = { createdAt = "n.created_at" }, id = "n.id", default = "-createdAt" }

local function shown(row)
  return {
    id = row.id,
    type = row.type,
    title = row.title,
    message = row.message,
    data = row.data and json.raw(row.data) or json.null,
    readAt = row.read_at or json.null,
    createdAt = row.created_at,
  }
end

local function find(ctx, id)
  return store.find(ctx, id) or errors.raise("NOT_FOUND", "There is no such notification")
end

local function announce_read(ctx, ids)
  if ctx.tenant then
    events.emit(ctx, "notification.read", { resource_type = "user",
      resource_id = ctx.actor.user_id,
      data = { userId = ctx.actor.user_id, ids = ids or json.null } })
  end
end

--- One page of the caller's notifications, newest first.
-- @param query unread, type, and those of core.paging
-- @return notifications, meta with `unread`, the number of all that were not read
function M.list(ctx, query)
  local page = paging.read(ctx, query, PAGING)
  local filter = { unread = query.unread, type = query.type }
  local rows = store.list(ctx, filter, page)
  local meta = paging.meta(page, rows, page.page and store.count(ctx, filter) or nil)
  meta.unread = store.count(ctx, { unread = true })
  local list = json.array({})
  for i, row in ipairs(rows) do
    list[i] = shown(row)
  end
  return list, meta
end

--- Marks one as read; the first time counts.
function M.read(ctx, id)
  return db.transaction(ctx, function(tx_ctx)
    find(tx_ctx, id)
    if store.set_read(tx_ctx, id) then
      audit.write(tx_ctx, { action = "notification.read", resource_type = "notification",
        resource_id = id })
      announce_read(tx_ctx, json.array({ id }))
    end
    return shown(find(tx_ctx, id))
  end)
end

--- Marks all as read. @return how many were not
function M.read_all(ctx)
  return db.transaction(ctx, function(tx_ctx)
    local count = store.set_all_read(tx_ctx)
    if count > 0 then
      audit.write(tx_ctx, { action = "notification.read_all", resource_type = "user",
        resource_id = tx_ctx.actor.user_id, new = { read = count } })
      announce_read(tx_ctx, nil)
    end
    return count
  end)
end

--- Removes one for good.
function M.delete(ctx, id)
  db.transaction(ctx, function(tx_ctx)
    local row = find(tx_ctx, id)
    store.delete(tx_ctx, id)
    audit.write(tx_ctx, { action = "notification.delete", resource_type = "notification",
      resource_id = id, old = { type = row.type } })
  end)
end

return M
