local delivery = require("services.notifications.delivery")
local digest = require("services.notifications.digest")
local sending = require("services.notifications.sending")
local store = require("services.notifications.store")

local KEEP_DAYS = 30
local HOUR_MS = 3600000

return {
  handlers = {
    [sending.JOB] = { run = delivery.deliver, timeout_ms = delivery.TIMEOUT_MS,
      max_attempts = delivery.MAX_ATTEMPTS, backoff_ms = delivery.BACKOFF_MS },
    [sending.DIGEST_JOB] = { run = digest.run },
    ["notifications.purge"] = {
      run = function(ctx)
        return { deleted = store.purge(ctx, KEEP_DAYS) }
      end,
    },
  },
  schedules = {
    { name = "notifications.purge", job = "notifications.purge", every_ms = HOUR_MS },
  },
}
