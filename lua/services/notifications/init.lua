--- Messages to people: inside the product, and by mail.

local sending = require("services.notifications.sending")

return {
  mail = sending.mail,
  notify = sending.notify,
  erase = sending.erase,
}
