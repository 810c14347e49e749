--- Keeps the log at 90 days.

local store = require("services.events.store")

local KEEP_DAYS = 90
local BATCH = 5000
local HOUR_MS = 3600000
local TIMEOUT_MS = 300000 -- what is not done by then is left to the next attempt

local function purge(ctx)
  local deleted = 0
  repeat
    local count = store.purge(ctx, KEEP_DAYS, BATCH)
    deleted = deleted + count
  until count < BATCH
  return { deleted = deleted }
end

return {
  handlers = {
    ["events.purge"] = {
      timeout_ms = TIMEOUT_MS,
      run = purge,
    },
  },
  schedules = {
    { name = "events.purge", job = "events.purge", every_ms = HOUR_MS },
  },
}
