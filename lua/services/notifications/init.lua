--- Messages to people: inside the product, by mail, by text message.

local notify = require("services.notifications.notify")
local personal = require("services.notifications.personal")
local recipients = require("services.notifications.recipients")
local sending = require("services.notifications.sending")
local template = require("services.notifications.template")

-- Nobody but the person hears what they are told.
local function rooms(event)
  return { { room = "user_" .. event.data.userId .. "_notifications", data = event.data } }
end

return {
  mail = sending.mail,
  letter = sending.letter,
  notify = notify.notify,
  recipients = recipients.find,
  layout = { escape = template.escape, page = template.page, paragraphs = template.paragraphs },
  personal = personal,
  events = {
    ["notification.new"] = { socket = "notification:new", rooms = rooms },
    ["notification.read"] = { socket = "notification:read", rooms = rooms },
  },
}
