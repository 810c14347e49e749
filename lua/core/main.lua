-- Builds a generation of the platform: everything is loaded, checked and started before the host
-- lets it take a request.

local app = require("core.app")
local config = require("core.config")
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

--- Called by the host once per VM.
-- @param role "http" or "job"
-- @return the entry points that the host calls, each in a task of its own
function M.boot(role)
  remember_start()
  config.get()
  local registry = plugin.load(system_routes)
  app.build()
  plugin.start(role)
  return {
    request = app.request,
    ws_message = registry.hooks.ws_message,
    ws_close = registry.hooks.ws_close,
    stop = plugin.stop,
  }
end

return M
