--- Handlers of events, long dry runs, and housekeeping.

local context = require("core.context")
local escalations = require("services.scripts.escalations")
local listeners = require("services.scripts.listeners")
local listeners_store = require("services.scripts.listeners_store")
local queues = require("services.scripts.queues")
local trial = require("services.scripts.trial")

local HOUR_MS = 3600000
local HANDLER_MS = 60000 -- a run has its own limit below
local TRIAL_MS = 600000
local KEEP_DAYS = { runs = 30, effects = 90, trials = 1 }
local BATCH = 5000

return {
  handlers = {
    [listeners.JOB] = {
      timeout_ms = HANDLER_MS,
      run = listeners.handle,
    },
    [escalations.JOB] = {
      timeout_ms = HANDLER_MS,
      run = escalations.watch,
    },
    [trial.JOB] = {
      timeout_ms = TRIAL_MS,
      max_attempts = 3,
      run = function(ctx, payload)
        trial.finish(ctx, payload.trial, TRIAL_MS / 2)
      end,
    },
    ["scripts.purge"] = {
      run = function()
        local ctx = context.system({ name = "scripts" })
        local deleted = 0
        repeat
          local count = listeners_store.purge(ctx, KEEP_DAYS, BATCH)
          deleted = deleted + count
        until count < BATCH
        return { deleted = deleted }
      end,
    },
  },
  queues = { [queues.FAMILY] = queues.LIMITS },
  schedules = {
    { name = "scripts.purge", job = "scripts.purge", every_ms = HOUR_MS },
  },
}
