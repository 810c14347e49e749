--- SQL of preferences. They are a person's own, whatever tenants they are in.

local db = require("core.db")

local M = {}

--- @param locked until the transaction ends
function M.find(ctx, user_id, locked)
  return db.platform(ctx):one(
    "SELECT user_id, preferences FROM notification_preferences WHERE user_id = ?"
    .. (locked and " FOR UPDATE" or ""), user_id)
end

function M.list(ctx, user_ids)
  if #user_ids == 0 then
    return {}
  end
  return db.platform(ctx):query(
    "SELECT user_id, preferences FROM notification_preferences WHERE user_id IN (?"
    .. (", ?"):rep(#user_ids - 1) .. ")", unpack(user_ids))
end

function M.put(ctx, user_id, preferences)
  db.platform(ctx):exec(
    [[INSERT INTO notification_preferences (user_id, preferences) VALUES (?, ?)
      ON DUPLICATE KEY UPDATE preferences = VALUES(preferences)]], user_id, preferences)
end

function M.delete(ctx, user_id)
  db.platform(ctx):exec("DELETE FROM notification_preferences WHERE user_id = ?", user_id)
end

return M
