--- The live tail: records of runs on their way to the sockets that listen to the topic
-- "scripts:runs".
--
-- Each worker with sockets reads what was written since it last looked. The place in the records
-- lives with the process, like the connections: whichever generation looks next goes on there.

local background = require("core.background")
local context = require("core.context")
local sys = require("core.sys")
local time = require("core.time")
local ws = require("core.ws")
local realtime = require("services.realtime")
local listeners_store = require("services.scripts.listeners_store")
local record = require("services.scripts.record")
local view = require("services.scripts.runs_view")

local M = {}

local ROOM, KEY, TOPIC = "scripts_runs", "runs", "scripts:runs"
local PLACE = "scripts.tail"
local SHOWN = 20
local BATCH = 200
local EVERY_MS = 1000

local loop -- while started

local function begin()
  if sys.shared_get(PLACE) == 0 then
    local ctx = context.system({ name = "scripts:tail" })
    sys.shared_set(PLACE, math.max(listeners_store.last_run(ctx), 1))
  end
end

--- The topic "scripts": its one key is "runs".
M.topic = {
  allow = function(ctx, key)
    if key == KEY and ctx.tenant and ctx:can("scripts.read") then
      begin()
      return ROOM
    end
  end,
  snapshot = function(ctx)
    local runs = view.list(ctx, { limit = SHOWN })
    return { runs = runs }
  end,
}

local function frame(row)
  return { type = "event", event = "script:run", id = row.id, topic = TOPIC, data = view.run(row),
    ts = time.now() }
end

local function turn()
  if ws.stats().connections == 0 then
    sys.shared_set(PLACE, 0)
    return
  end
  local place = sys.shared_get(PLACE)
  if place == 0 then
    return -- nobody has listened yet
  end
  local ctx = context.system({ name = "scripts:tail" })
  local rows = listeners_store.list_runs_after(ctx, place, BATCH)
  local unheard = {} -- tenants
  for _, row in ipairs(rows) do
    if not unheard[row.tenant_id] then
      unheard[row.tenant_id] = realtime.publish(row.tenant_id, ROOM, frame(row)) == 0
    end
  end
  if #rows > 0 then
    sys.shared_set(PLACE, rows[#rows].seq)
  end
  return #rows == BATCH
end

function M.start()
  if sys.role() == "http" then
    loop = background.start({ name = "live tail of runs", channel = record.BELL,
      every_ms = EVERY_MS, step = turn })
  end
end

function M.stop()
  if loop then
    loop:stop()
    loop = nil
  end
end

return M
