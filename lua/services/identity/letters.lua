--- Writes to a person about their account, in the caller's transaction.

local config = require("core.config")
local notifications = require("services.notifications")
local mails = require("services.identity.mails")
local view = require("services.identity.view")

local M = {}

local NAME_MAX = 40

local function recipient(user)
  return { address = user.email, name = view.full_name(user) }
end

-- Anybody can register anybody's address: the greeting must not carry a stranger's message.
local function greeting(user)
  local name = user.first_name
  return #name <= NAME_MAX and name:find("^[%a\128-\255][%a\128-\255' -]*$") and name or "there"
end

local function data_for(user, data)
  local all = { name = greeting(user) }
  for name, value in pairs(data or {}) do
    all[name] = value
  end
  return all
end

--- A mail with a link that holds a secret.
-- @param name of a template in services.identity.mails
-- @param page of the web pages: "verify-email"
function M.send_link(ctx, user, name, page, secret)
  local link = ("%s/%s?token=%s"):format(config.get().http.frontend_url, page, secret)
  notifications.mail(ctx, { to = recipient(user), type = "account." .. name, user_id = user.id,
    template = mails[name], data = data_for(user, { link = link }) })
end

--- Tells a person what happened to their account: in the product, and by mail.
-- @param data further values of the template, or nil
function M.tell(ctx, user, name, data)
  local template = mails[name]
  local values = data_for(user, data)
  notifications.letter(ctx, {
    user_id = user.id,
    type = "account." .. name,
    title = template.subject,
    message = table.concat(template.paragraphs, " ", 2):gsub("{{(%w+)}}", values),
    mail = { to = recipient(user), template = template, data = values },
  })
end

return M
