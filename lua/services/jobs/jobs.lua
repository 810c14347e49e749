--- Housekeeping of the queue, and of core, which has no jobs of its own.

local idempotency = require("core.idempotency")
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
    ["idempotency.purge"] = {
      run = function(ctx)
        return { deleted = idempotency.purge(ctx) }
      end,
    },
  },
  schedules = {
    { name = "idempotency.purge", job = "idempotency.purge", every_ms = HOUR_MS },
    { name = "jobs.purge", job = "jobs.purge", every_ms = HOUR_MS },
  },
}
