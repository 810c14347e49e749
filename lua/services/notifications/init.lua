--- Messages to people: inside the product, and by mail.

local personal = require("services.notifications.personal")
local sending = require("services.notifications.sending")

return {
  mail = sending.mail,
  notify = sending.notify,
  personal = personal,
}
