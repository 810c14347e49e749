--- The relay: numbers committed events per tenant, and turns them into the jobs that listen.
--
-- Every job worker runs one; the lease makes one of them the leader. A batch is one transaction
-- that first locks the lease's row with the leader's fencing token: two leaders cannot number at
-- the same time, whatever their clocks say, and a batch happens as a whole or not at all. So the
-- ids of event_log grow in the order of commits, and a tenant's numbers have no holes.

local background = require("core.background")
local context = require("core.context")
local db = require("core.db")
local log = require("core.log")
local registry = require("core.registry")
local sys = require("core.sys")
local task = require("core.task")
local time = require("core.time")
local trace = require("core.trace")
local jobs = require("services.jobs")
local record = require("services.events.record")
local store = require("services.events.store")

local M = {}

local LEASE = "events.relay"
local LEASE_S = 3
local RENEW_BELOW_MS = 1900
local BATCH = 200
local POLL_MS = 1000
-- A batch costs the same for one event as for many: those that come soon after others wait for
-- company.
local GATHER_MS = 15

local Relay = {}
Relay.__index = Relay

-- The same in every generation of this process, so that a reload does not wait for the lease to
-- run out. The random part tells apart processes that got the same number on another machine.
local function holder_name()
  local key = "events.relay.holder"
  local random = sys.shared_get(key)
  if random == 0 then
    random = math.random(1, 2 ^ 31)
    sys.shared_set(key, random)
  end
  return ("%s:%d:%d"):format(sys.hostname(), sys.pid(), random):sub(-120)
end

-- The lease while this relay leads, else nil.
local function lead(relay)
  local ctx = context.system({ name = "relay" })
  local lease = store.find_lease(ctx, LEASE)
  local mine = lease and lease.holder == relay.holder
  local believable = lease and lease.left_ms <= 2 * LEASE_S * 1000 -- the clock was not set back
  if mine and believable and lease.left_ms > RENEW_BELOW_MS then
    return lease
  end
  if lease and not mine and believable and lease.left_ms > 0 then
    return nil
  end
  store.take_lease(ctx, LEASE, relay.holder, LEASE_S)
  lease = store.find_lease(ctx, LEASE)
  if lease.holder ~= relay.holder then
    return nil
  end
  if not mine then
    log.info(nil, "relay leads", { fencing = lease.fencing_token })
  end
  return lease
end

-- Enqueues the jobs that listen to the events numbered from `first_id` on; what those tell of
-- persons stays sealed. Services that find their listeners elsewhere than in the registry have a
-- hook, called once for all of them.
local function tell_listeners(ctx, first_id)
  local rows = store.list_after(ctx, first_id - 1, BATCH)
  for _, hook in ipairs(registry.hooks.numbered or {}) do
    hook(ctx, rows)
  end
  for _, row in ipairs(rows) do
    local names = registry.listeners[row.event]
    if names then
      local event = record.event(row)
      local job_ctx = ctx:with({ tenant = { id = row.tenant_id }, request_id = row.request_id,
        trace = row.traceparent and trace.pass(row.traceparent) })
      for _, name in ipairs(names) do
        jobs.enqueue(job_ctx, name, event)
      end
    end
  end
end

--- Numbers one batch. For the leader, and for tests.
-- @return how many events; 0 also when the lease was lost
function M.number(holder, fencing_token)
  local count = db.transaction(context.system({ name = "relay" }), function(ctx)
    if not store.lock_lease(ctx, LEASE, holder, fencing_token) then
      return 0
    end
    local numbered, first_id = store.number_outbox(ctx, BATCH)
    if numbered > 0 then
      tell_listeners(ctx, first_id)
      store.advance_counters(ctx, first_id)
      store.delete_numbered(ctx, first_id)
    end
    return numbered
  end)
  if count > 0 then
    background.ring("events")
  end
  return count
end

local function turn(relay)
  local since_ms = time.monotonic_ms() - relay.turned_ms
  if since_ms < GATHER_MS then
    task.sleep(GATHER_MS - since_ms)
  end
  relay.turned_ms = time.monotonic_ms()
  local lease = lead(relay)
  if lease and lease.has_outbox == 1 then
    return M.number(relay.holder, lease.fencing_token) == BATCH
  end
end

--- Starts the relay of this worker.
function M.start()
  local relay = setmetatable({ holder = holder_name(), turned_ms = 0 }, Relay)
  relay.loop = background.start({
    name = "relay",
    channel = "outbox",
    every_ms = POLL_MS,
    step = function()
      return turn(relay)
    end,
  })
  return relay
end

function Relay:stop()
  self.loop:stop()
end

return M
