-- What follows from work orders' events.

local events = require("services.events")
local notices = require("plugins.workorders.notices")

return {
  handlers = { [notices.ASSIGNED] = { run = events.listener(notices.tell_assigned) } },
}
