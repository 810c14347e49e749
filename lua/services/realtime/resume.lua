--- From a point in the log to the present. What was missed comes before anything live, and each
-- once: the rooms are joined in the same turn of the loop in which the log turns out to hold
-- nothing more that this worker has already broadcast.

local config = require("core.config")
local context = require("core.context")
local errors = require("core.errors")
local task = require("core.task")
local ws = require("core.ws")
local events = require("services.events")
local connection = require("services.realtime.connection")
local feed = require("services.realtime.feed")

local M = {}

local LIMITS = { max = 10000, seconds = 3600 }
local BATCH = 200
local PAUSE_MS = 10

local function system()
  return context.system({ name = "realtime" })
end

-- What was missed may be more than a connection's queue holds: it comes as fast as it is read, and
-- leaves so much room that nobody waits for this one (feed.await_room). A reader that takes too
-- long ends the task that waits here, and goes on later from where it was.
local function await_reader(id)
  local most = config.get().ws.queue_max / 4
  while ws.queued(id) > most do
    errors.check(task.sleep(PAUSE_MS))
  end
end

-- Sends what the state's rooms heard after `seq`, and then joins them. What was heard up to there
-- must not come again when this worker broadcasts it.
local function replay(id, state, ctx, seq)
  local hears = connection.rooms(state)
  connection.mute(id)
  events.await(ctx, state.tenant_id, seq)
  local list, position
  repeat
    list, position = events.list_since(ctx, state.tenant_id, seq, BATCH)
    for _, event in ipairs(list) do
      if not feed.replay(id, event, hears) then
        return
      end
      seq = event.seq
      await_reader(id)
    end
    local more = #list == BATCH
  until not more and position == events.position()
  connection.settle(id, state)
end

local function can_resume(ctx, state, point)
  local seq = point.seq
  return state.tenant_id ~= nil and connection.is_of_one_tenant(state)
    and point.epoch == events.epoch() and type(seq) == "number" and seq >= 0 and seq % 1 == 0
    and events.can_resume(ctx, state.tenant_id, seq, LIMITS)
end

--- The point of a tenant's latest event: {epoch, seq}, without a seq when there is no tenant.
function M.present(tenant_id)
  return { epoch = events.epoch(), seq = tenant_id and events.last_seq(system(), tenant_id) }
end

--- Lets the connection hear what its state says, from the point on, or from now on after it was
-- told to read anew. May wait; raises when the database is away.
-- @param point {epoch, seq} as a client named it
function M.from(id, state, point)
  local ctx = system()
  if can_resume(ctx, state, point) then
    return replay(id, state, ctx, point.seq)
  end
  connection.settle(id, state)
  local present = M.present(state.tenant_id)
  connection.send(id, { type = "resync", epoch = present.epoch, seq = present.seq })
end

return M
