--- Reckons the clocks of a tenant anew when its business hours, or the steps of a kind, have
-- changed: a clock counts by the hours that hold now, from when it (last) began to run.

local db = require("core.db")
local calendars = require("services.clocks.calendars")
local kinds = require("services.clocks.kinds")
local reckoning = require("services.clocks.reckoning")
local settings = require("services.settings")
local store = require("services.clocks.store")

local BATCH = 200
local TIMEOUT_MS = 30 * 60000
local FIRST = "00000000-0000-0000-0000-000000000000"

-- A context of the tenant as it is in the database, since what workers keep may be older.
local function current(ctx)
  local tenant = {}
  for name, value in pairs(ctx.tenant) do
    tenant[name] = value
  end
  tenant.timezone, tenant.settings = settings.current(ctx)
  return ctx:with({ tenant = tenant })
end

-- Whether a clock without a target has its next step at the same time as before.
local function is_unchanged(ctx, clock)
  local before = clock.next_due_ms
  reckoning.plan(calendars.of(ctx), clock, kinds.steps(ctx, clock))
  return not clock.target_ms and clock.next_due_ms == before
end

-- The settings are read once more under the lock: two changes soon after each other are two jobs,
-- and the one that is late must not bring back what held when it began.
local function reckon(ctx, listed)
  local kind = kinds.find(listed.kind)
  if not kind or is_unchanged(ctx, listed) then
    return
  end
  db.transaction(ctx, function(locked)
    local resource = kind.lock(locked, listed.resource_id, listed)
    local clock = store.lock(locked, listed.id)
    if not resource or not clock or clock.state ~= "running" then
      return
    end
    local tx = current(locked)
    local calendar, before = calendars.of(tx), clock.next_due_ms
    reckoning.plan(calendar, clock, kinds.steps(tx, clock))
    if clock.next_due_ms ~= before then
      store.update(tx, clock)
    end
    if kind.moved and clock.target_ms and clock.target_ms > clock.elapsed_ms then
      kind.moved(tx, resource, clock, reckoning.due(calendar, clock, clock.target_ms))
    end
  end)
end

return {
  handlers = {
    ["clocks.reckon"] = {
      timeout_ms = TIMEOUT_MS,
      run = function(ctx, payload)
        local now, last, count = current(ctx), FIRST, 0
        repeat
          local clocks = store.list_running(now, payload.kind, last, BATCH)
          for _, clock in ipairs(clocks) do
            reckon(now, clock)
            last, count = clock.id, count + 1
          end
        until #clocks < BATCH
        return { clocks = count }
      end,
    },
  },
}
