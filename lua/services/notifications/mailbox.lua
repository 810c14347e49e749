--- The mailbox of development and tests: where messages go that would otherwise leave the house.

local config = require("core.config")
local json = require("core.json")
local store = require("services.notifications.store")

local M = {}

local SHOWN_MAX = 500

--- Whether this server has one. Production never has.
function M.is_there()
  return config.get().env ~= "production"
end

--- Puts a message in, in the caller's transaction.
-- @param message id, channel, to, subject, text, html
function M.put(ctx, message)
  store.insert_message(ctx, message)
end

--- The messages, newest first. @param to only those to this recipient
function M.list(ctx, to)
  local list = json.array({})
  for i, row in ipairs(store.list_messages(ctx, to, SHOWN_MAX)) do
    list[i] = {
      id = row.id, channel = row.channel, to = row.recipient, subject = row.subject or json.null,
      text = row.text or json.null, html = row.html or json.null, sentAt = row.sent_at,
    }
  end
  return list
end

M.clear = store.delete_messages

return M
