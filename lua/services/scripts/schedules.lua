--- every: what tenants' scripts do at certain times. Each occurrence becomes one job, in the
-- transaction that moves its row on: once over all nodes. Of occurrences that were missed while no
-- server ran, one is made up for.

local background = require("core.background")
local context = require("core.context")
local db = require("core.db")
local sys = require("core.sys")
local time = require("core.time")
local uuid = require("core.uuid")
local identity = require("services.identity")
local active_releases = require("services.scripts.active")
local hooks = require("services.scripts.hooks")
local listeners = require("services.scripts.listeners")
local rows = require("services.scripts.schedule_rows")
local store = require("services.scripts.schedules_store")

local M = {}

local EVERY_MS = 1000
local LOOK_FOR_MOVED_MS = 60000
local BATCH = 50
local LATE_MS = 60000

local loop -- while started

local function enqueue(ctx, tenant, release, hook, at_ms)
  local at = time.iso(at_ms)
  listeners.put(ctx:with({ tenant = tenant }), release, hook, {
    id = uuid.v7(), event = "schedule", resourceType = "schedule", resourceId = hook.name,
    data = { name = hook.name, scheduledAt = at }, actor = { kind = "schedule" }, occurredAt = at,
  })
end

-- One schedule whose time has come.
local function pass(ctx, row)
  local tenant = identity.find_tenant(ctx, row.tenant_id)
  local zone, timezone = rows.zone_of(tenant or { timezone = row.timezone })
  local due_ms, now_ms = time.parse(row.next_run_at), time.now_ms()
  local release = tenant and active_releases.find(ctx, row.tenant_id)
  local hook = release and release.id and hooks.find(release, "every", row.name)[1]
  if hook then
    enqueue(ctx, tenant, release, hook, due_ms)
  end
  local next_ms = rows.next_of(row.cron, zone, due_ms)
  if next_ms < now_ms - LATE_MS then
    next_ms = rows.next_of(row.cron, zone, now_ms)
  end
  store.advance(ctx, row, next_ms, timezone, hook and due_ms)
end

--- Turns the schedules whose time has come into jobs. @return how many there were
function M.run_due()
  return db.transaction(context.system({ name = "schedules" }), function(ctx)
    local due = store.lock_due(ctx, BATCH)
    for _, row in ipairs(due) do
      pass(ctx, row)
    end
    return #due
  end)
end

--- Finds the next occurrences anew for tenants whose time zone was changed.
function M.follow_moved()
  local system = context.system({ name = "schedules" })
  for _, moved in ipairs(store.find_moved(system)) do
    local tenant = identity.find_tenant(system, moved.tenant_id)
    db.transaction(system:with({ tenant = tenant or nil }), function(ctx)
      local zone, timezone = rows.zone_of(tenant or {})
      for _, row in ipairs(tenant and store.lock_all(ctx) or {}) do
        store.advance(ctx, row, rows.next_of(row.cron, zone, time.now_ms()), timezone)
      end
    end)
  end
end

function M.start()
  if sys.role() ~= "job" then
    return
  end
  local look_at = 0
  loop = background.start({ name = "schedules of scripts", every_ms = EVERY_MS, step = function()
    if time.monotonic_ms() >= look_at then
      look_at = time.monotonic_ms() + LOOK_FOR_MOVED_MS
      M.follow_moved()
    end
    return M.run_due() == BATCH
  end })
end

function M.stop()
  if loop then
    loop:stop()
    loop = nil
  end
end

return M
