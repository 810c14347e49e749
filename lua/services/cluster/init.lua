--- The nodes of this deployment: each writes down every two seconds that it is there, each counts
-- those that are, and together they hold the limits (core.rate_limit.nodes).

local background = require("core.background")
local config = require("core.config")
local context = require("core.context")
local metrics = require("core.metrics")
local nodes = require("core.rate_limit.nodes")
local sys = require("core.sys")
local time = require("core.time")
local store = require("services.cluster.store")

local M = {}

local EVERY_MS = 2000
local GONE_MS = 10000 -- a node that was not seen for so long
local EXCHANGE_MS, ALONE_MS = 100, 1000
local NAME_MAX = 200

local started = {} -- the loops
local fewer_at -- when fewer nodes than are known are believed (monotonic)

-- The same after a restart; two nodes of one machine have different data folders.
local function name()
  return (sys.hostname() .. ":" .. config.get().server.data):sub(-NAME_MAX)
end

-- Nodes are late together when the database was away: fewer are believed when it lasts.
local function believe(found)
  local now = time.monotonic_ms()
  if found >= nodes.count() then
    fewer_at = now + GONE_MS
  end
  if found > nodes.count() or now >= (fewer_at or now) then
    nodes.set_count(math.max(found, 1))
  end
end

-- At the start as well: what asks then must not take the number for missing.
local function tell()
  metrics.set(metrics.gauge("fixxit_nodes", "Nodes of this deployment that are there."),
    nodes.count())
end

-- One process per node writes, all count.
local function turn()
  local ctx = context.system({ name = "cluster" })
  local _, index = sys.role()
  if index == 1 and store.put_node(ctx, name()) then
    store.forget_nodes(ctx)
    background.ring("nodes")
  end
  believe(store.count_nodes(ctx, GONE_MS / 1000))
  tell()
end

local function exchange()
  local more = nodes.exchange()
  return more or nodes.count() == 1 and ALONE_MS
end

function M.start()
  if sys.role() ~= "http" then
    return
  end
  tell()
  started = {
    background.start({ name = "nodes", channel = "nodes", every_ms = EVERY_MS, step = turn }),
    background.start({ name = "limits of all nodes", every_ms = EXCHANGE_MS, step = exchange }),
  }
end

function M.stop()
  for _, loop in ipairs(started) do
    loop:stop()
  end
  started = {}
end

return M
