--- The queue's own housekeeping.

local store = require("services.jobs.store")

local DONE_HOURS, DEAD_DAYS = 24, 30
local HOUR_MS = 3600000

return {
  handlers = {
    ["jobs.purge"] = {
      run = function(ctx)
        return { deleted = store.purge(ctx, DONE_HOURS, DEAD_DAYS) }
      end,
    },
  },
  schedules = {
    { name = "jobs.purge", job = "jobs.purge", every_ms = HOUR_MS },
  },
}
