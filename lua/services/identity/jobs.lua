--- What signing in leaves behind, and what accounts ask for that takes its time.

local export = require("services.identity.export")
local invitations = require("services.identity.invitations_store")
local secrets = require("services.identity.secrets_store")
local store = require("services.identity.store")
local verification = require("services.identity.verification")

local MINUTE_MS, HOUR_MS = 60000, 3600000

return {
  handlers = {
    ["identity.purge"] = {
      run = function(ctx)
        return { sessions = store.purge(ctx), tokens = secrets.purge_one_time_tokens(ctx),
          exports = export.purge(ctx), invitations = invitations.purge(ctx) }
      end,
    },
    [verification.RESET_JOB] = { run = verification.send_reset },
    [export.JOB] = { run = export.make, timeout_ms = 10 * MINUTE_MS,
      max_attempts = export.MAX_ATTEMPTS },
  },
  schedules = {
    { name = "identity.purge", job = "identity.purge", every_ms = HOUR_MS },
  },
}
