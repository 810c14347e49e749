--- What was written to a person: for the copy of their data, and their erasure.

local json = require("core.json")
local preferences_store = require("services.notifications.preferences_store")
local store = require("services.notifications.store")

local M = {}

function M.export(ctx, user_id, add)
  local list = json.array({})
  for i, row in ipairs(store.list_of(ctx, user_id)) do
    list[i] = { id = row.id, type = row.type, title = row.title, message = row.message,
      data = row.data and json.raw(row.data) or nil, readAt = row.read_at,
      createdAt = row.created_at }
  end
  add.json("notifications.json", list)
  local said = preferences_store.find(ctx, user_id)
  if said then
    add.json("notification-preferences.json", json.raw(said.preferences))
  end
end

function M.erase(ctx, user_id)
  store.delete_of(ctx, user_id)
  preferences_store.delete(ctx, user_id)
end

return M
