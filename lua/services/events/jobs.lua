--- Keeps the log at 90 days.

local store = require("services.events.store")

local KEEP_DAYS = 90
local BATCH = 5000
local HOUR_MS = 3600000

return {
  handlers = {
    ["events.purge"] = {
      run = function(ctx)
        return { deleted = store.purge(ctx, KEEP_DAYS, BATCH) }
      end,
    },
  },
  schedules = {
    { name = "events.purge", job = "events.purge", every_ms = HOUR_MS },
  },
}
