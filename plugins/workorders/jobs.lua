-- What follows from work orders' events.

local notices = require("plugins.workorders.notices")

return {
  handlers = { [notices.ASSIGNED] = { run = notices.tell_assigned } },
}
