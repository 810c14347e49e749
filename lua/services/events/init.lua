--- What happened: an event is a row that commits with its change; the relay numbers it, turns it
-- into jobs for its listeners and lets every worker know.

local background = require("core.background")
local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local sys = require("core.sys")
local task = require("core.task")
local trace = require("core.trace")
local uuid = require("core.uuid")
local figures = require("services.events.figures")
local follower = require("services.events.follower")
local record = require("services.events.record")
local relay = require("services.events.relay")
local snapshot = require("services.events.snapshot")
local store = require("services.events.store")

local M = {}

M.hooks = { collect = figures.collect }

local LOOK_MS = 10

local started = {} -- what start made and stop ends
local epoch -- does not change while a generation lives: a restore restarts the server

local function ring()
  background.ring("outbox")
end

--- Announces what the transaction under way does, if it commits.
-- @param ctx a context with a transaction and a tenant; actor.silent: nobody is told, no rule acts;
--   actor.depth: how many rules set each other off until here
-- @param name "report.created"
-- @param event resource_type, resource_id, data (a snapshot for staff: rooms show less of it; it is
--   the event's from here on), personal = whose each field of it is that names somebody
-- @return the event's id
-- @usage events.emit(tx, "workorder.assigned", { resource_type = "workorder", resource_id = id,
--   data = order, personal = { ["assignee.name"] = order.assignedTo } })
function M.emit(ctx, name, event)
  assert(ctx.tx, "events.emit needs a transaction")
  local id, data = uuid.v7(), event.data or {}
  local personal = event.personal and snapshot.hide(ctx, data, event.personal)
  local actor = { kind = ctx.actor.kind, userId = ctx.actor.user_id, silent = ctx.actor.silent,
    depth = ctx.actor.depth, name = ctx.actor.kind == "script" and ctx.actor.name or nil }
  store.insert_outbox(ctx, {
    tenant_id = ctx:require_tenant().id,
    event_id = id,
    event = name,
    resource_type = event.resource_type,
    resource_id = event.resource_id,
    actor = json.encode(actor),
    payload = json.encode(data),
    personal = personal,
    request_id = ctx.request_id,
    traceparent = trace.parent(ctx),
  })
  db.after_commit(ctx, ring)
  return id
end

--- The name of the history that sequence numbers belong to.
function M.epoch()
  epoch = epoch or store.find_epoch(context.system({ name = "events" }))
  return epoch
end

--- Calls hand_on(events) in this worker with what was numbered since the last call, oldest first,
-- while is_heard() says that somebody is there to hear it: what comes otherwise counts as handed
-- on. There is one subscriber: real time.
-- @param options hand_on, is_heard, piece_bytes, await_room of services.events.follower
function M.follow(options)
  options.prepare = M.epoch
  started.follower = follower.start(options)
end

--- Ends what M.follow began.
function M.unfollow()
  if started.follower then
    started.follower:stop()
    started.follower = nil
  end
end

--- The place in the log up to which this worker has handed events on.
M.position = follower.position

--- The number of a tenant's latest event, 0 when there is none yet. Whatever is read after it
-- holds what the events up to it did.
function M.last_seq(ctx, tenant_id)
  local counter = store.find_counter(ctx, tenant_id)
  return counter and counter.seq or 0
end

--- Whether a tenant's events after `seq` can still be told one by one. A number may come from a
-- worker that is ahead of this one.
-- @param limits max (number of events), seconds (age of the oldest)
function M.can_resume(ctx, tenant_id, seq, limits)
  local last_seq = M.last_seq(ctx, tenant_id)
  if seq == last_seq then
    return true
  elseif seq > last_seq or last_seq - seq > limits.max then
    return false
  end
  local next_one = store.find_age_s(ctx, tenant_id, seq + 1)
  return next_one ~= nil and next_one.age_s <= limits.seconds
end

--- Waits until this worker has handed on a tenant's events up to `seq`: a number may come from a
-- worker that is ahead of this one. Raises when the task is to end.
function M.await(ctx, tenant_id, seq)
  local last = store.find_id(ctx, tenant_id, seq) -- nil: none yet, or no longer kept
  while last and follower.position() < last do
    errors.check(task.sleep(LOOK_MS))
  end
end

--- A tenant's events after `seq` that this worker has handed on already, oldest first.
-- @return at most `limit` events, the position that they go up to
function M.list_since(ctx, tenant_id, seq, limit)
  local position = follower.position()
  local rows = store.list_of_tenant_after(ctx, tenant_id, seq, position, limit)
  return record.read(ctx, rows), position
end

--- An event of the context's tenant by its id, or nil: of those that are kept.
function M.find(ctx, id)
  return record.read(ctx, { store.find(ctx, id) })[1]
end

--- The latest events of these names of the context's tenant, oldest first.
function M.list_latest(ctx, names, limit)
  return record.read(ctx, store.list_latest(ctx, names, limit))
end

--- An event as a job that listens got it, with what its snapshot tells of persons: that is sealed
-- in the queue, too.
function M.open(ctx, event)
  return snapshot.show(ctx, { event })[1]
end

--- What a job that listens runs: fn(ctx, event, job), with the event opened.
function M.listener(fn)
  return function(ctx, event, job)
    return fn(ctx, M.open(ctx, event), job)
  end
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
