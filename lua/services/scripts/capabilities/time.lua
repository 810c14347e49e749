--- time.business_hours(from, to): what only the tenant's settings tell of time. The rest of `time`
-- needs nobody and is of the prelude.

local s = require("core.schema")
local clock = require("core.time")
local clocks = require("services.clocks")

local HOUR_MS = 3600000

local function time()
  return s.string({ format = "date-time" })
end

return {
  {
    -- The open hours from one time to another; 0 when the other is not later.
    name = "time.business_hours", parameters = { "from", "to" },
    arguments = s.object({ from = time(), to = time() }),
    run = function(ctx, arguments)
      return clocks.calendar(ctx):elapsed(clock.parse(arguments.from), clock.parse(arguments.to))
        / HOUR_MS
    end,
  },
}
