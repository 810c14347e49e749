--- Housekeeping of what signing in leaves behind.

local store = require("services.identity.store")

local HOUR_MS = 3600000

return {
  handlers = {
    ["identity.purge"] = {
      run = function(ctx)
        return { sessions = store.purge(ctx) }
      end,
    },
  },
  schedules = {
    { name = "identity.purge", job = "identity.purge", every_ms = HOUR_MS },
  },
}
