--- The business hours of tenants, made once for each state of a tenant's settings.

local calendar = require("core.calendar")
local jobs = require("services.jobs")
local log = require("core.log")
local zone = require("core.zone")

local M = {}

-- Weak: a tenant that was read again is another table, and its calendar is made again.
local made = setmetatable({}, { __mode = "k" })

-- The settings by which clocks go.
local SETTINGS = { "timezone", "businessHours", "holidays", "escalation" }

local function zone_of(ctx, name)
  local found = zone.find(name)
  if not found then
    log.warn(ctx, "the time zone is not known here; UTC is taken", { timezone = name })
  end
  return found or zone.UTC
end

--- The business hours of the context's tenant.
function M.of(ctx)
  local tenant = ctx:require_tenant()
  local found = made[tenant]
  if not found then
    local settings = tenant.settings or {}
    found = calendar.new({ zone = zone_of(ctx, tenant.timezone or "UTC"),
      hours = settings.businessHours, holidays = settings.holidays })
    made[tenant] = found
  end
  return found
end

--- The hook of the settings: what the change means for clocks that run is reckoned in a job, since
-- there may be many.
function M.settings_changed(ctx, changes)
  for _, name in ipairs(SETTINGS) do
    if changes[name] ~= nil then
      jobs.enqueue(ctx, "clocks.reckon", {})
      return
    end
  end
end

return M
