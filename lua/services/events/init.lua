--- What happened: an event is a row that commits with its change; the relay numbers it, turns it
-- into jobs for its listeners and lets every worker know.

local background = require("core.background")
local context = require("core.context")
local db = require("core.db")
local json = require("core.json")
local sys = require("core.sys")
local uuid = require("core.uuid")
local follower = require("services.events.follower")
local record = require("services.events.record")
local relay = require("services.events.relay")
local store = require("services.events.store")

local M = {}

local started = {} -- what start made and stop ends
local epoch -- does not change while a generation lives: a restore restarts the server

local function ring()
  background.ring("outbox")
end

--- Announces what the transaction under way does, if it commits.
-- @param ctx a context with a transaction and a tenant
-- @param name "report.created"
-- @param event resource_type, resource_id, data (a snapshot for staff: rooms show less of it)
-- @return the event's id
function M.emit(ctx, name, event)
  assert(ctx.tx, "events.emit needs a transaction")
  local id = uuid.v7()
  local actor = { kind = ctx.actor.kind, userId = ctx.actor.user_id }
  store.insert_outbox(ctx, {
    tenant_id = ctx:require_tenant().id,
    event_id = id,
    event = name,
    resource_type = event.resource_type,
    resource_id = event.resource_id,
    actor = json.encode(actor),
    payload = json.encode(event.data or {}),
    request_id = ctx.request_id,
  })
  db.after_commit(ctx, ring)
  return id
end

--- The name of the history that sequence numbers belong to.
function M.epoch()
  epoch = epoch or store.find_epoch(context.system({ name = "events" }))
  return epoch
end

--- Calls fn(events) in this worker with what was numbered since the last call, oldest first.
-- There is one subscriber: real time. fn must not wait: the events count as handed on.
function M.follow(fn)
  started.follower = follower.start(fn)
end

--- Ends what M.follow began.
function M.unfollow()
  if started.follower then
    started.follower:stop()
    started.follower = nil
  end
end

--- The tenant's events after `seq`, up to what this worker has already broadcast, so that a
-- connection that gets these and then the live ones misses none.
-- @param limits max (number of events), seconds (age)
-- @return events (oldest first), or nil when there are too many, they are too old, or `seq` is
--   no number of this history
function M.since(ctx, tenant_id, seq, limits)
  local up_to = follower.position()
  local last = store.find_position(ctx, tenant_id, up_to)
  local last_seq = last and last.seq or 0
  if seq == last_seq then
    return {}
  end
  if seq > last_seq or last_seq - seq > limits.max then
    return nil
  end
  local next_one = store.find_age_s(ctx, tenant_id, seq + 1)
  if not next_one or next_one.age_s > limits.seconds then
    return nil
  end
  local events = {}
  for i, row in ipairs(store.list_of_tenant_after(ctx, tenant_id, seq, up_to, limits.max)) do
    events[i] = record.event(row)
  end
  return events
end

function M.start()
  if sys.role() == "job" then
    started.relay = relay.start()
  end
end

function M.stop()
  M.unfollow()
  if started.relay then
    started.relay:stop()
  end
  started = {}
end

return M
