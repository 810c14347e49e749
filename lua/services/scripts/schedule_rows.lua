--- The rows of tenants' schedules, reconciled by name with what runs: a release neither loses an
-- occurrence nor doubles one.

local cron = require("core.cron")
local time = require("core.time")
local zones = require("core.zone")
local identity = require("services.identity")
local store = require("services.scripts.schedules_store")

local M = {}

local NEVER_MS = 86400000 -- when a schedule that means nothing is looked at again
local UTC = "UTC"

--- By whose clock a tenant's schedules go: the zone, its name.
function M.zone_of(tenant)
  local name = tenant.timezone or UTC
  local zone = zones.find(name)
  return zone or zones.UTC, zone and name or UTC
end

--- The next time of a schedule's text after a time.
function M.next_of(text, zone, after_ms)
  local schedule = cron.parse(text)
  return schedule and schedule:next(zone, after_ms) or after_ms + NEVER_MS
end

--- Makes the rows what these hooks declare, in the caller's transaction. What keeps its name and
-- time keeps its next occurrence.
-- @param declared the hooks of what is to run
function M.reconcile(ctx, declared)
  local known = {}
  for _, row in ipairs(store.lock_all(ctx)) do
    known[row.name] = row
  end
  local tenant = ctx.tenant
  local zone, timezone = M.zone_of(tenant.timezone and tenant
    or identity.find_tenant(ctx, tenant.id) or tenant)
  local now_ms = time.now_ms()
  for _, hook in ipairs(declared) do
    local row = hook.kind == "every" and known[hook.name]
    local is_same = row and row.cron == hook.cron and row.timezone == timezone
    if hook.kind == "every" and not is_same then
      store.put(ctx, { name = hook.name, cron = hook.cron, timezone = timezone,
        next_ms = M.next_of(hook.cron, zone, now_ms) })
    end
    if row then
      known[hook.name] = nil
    end
  end
  for name in pairs(known) do
    store.delete(ctx, name)
  end
end

return M
