-- Builds a generation of the platform: everything is loaded, checked and started before the host
-- lets it take a request.

local app = require("core.app")
local config = require("core.config")
local migrate = require("core.migrate")
local plugin = require("core.plugin")
local sys = require("core.sys")
local system_routes = require("core.system_routes")

local M = {}

-- Outlives reloads: health tells how long the process has been there.
local function remember_start()
  if sys.shared_get("started_ms") == 0 then
    sys.shared_set("started_ms", sys.monotonic_ms())
  end
end

-- A reload does not go live on tables that are not there yet: those before serve on. What starts
-- has nobody to leave it to, and says at /ready what it waits for.
local function check_tables()
  if sys.generation() == 1 then
    return
  end
  local is_known, pending = pcall(migrate.pending) -- unknown: the database is away
  if is_known and pending > 0 then
    error(("migrations are pending (%d): run fixxit migrate, then reload"):format(pending), 0)
  end
end

--- Called by the host once per VM.
-- @param role "http" or "job"
-- @return the entry points that the host calls, each in a task of its own
function M.boot(role)
  remember_start()
  config.get()
  local registry = plugin.load(system_routes)
  app.build()
  check_tables()
  plugin.start(role)
  return {
    request = app.request,
    ws_message = registry.hooks.ws_message,
    ws_close = registry.hooks.ws_close,
    stop = plugin.stop,
  }
end

return M
