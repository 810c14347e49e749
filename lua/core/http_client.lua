-- Requests to other servers: webhooks, stores, model services.

local config = require("core.config")
local host = require("host.http_client")

local M = {}

--- Sends a request and waits for the answer; its options and error codes stand at the top of
-- host/lua_http_client.c. Private addresses and loopback are reached where `http.allow_private`
-- is set. Who asks on behalf of somebody less trusted gives the policy:
--   http_client.request({ url = url, policy = { allow = { "printer.local:631" } } })
-- @return { status, headers, body, size } | nil, err
function M.request(options)
  if options.policy then
    return host.request(options)
  end
  local copy = {}
  for key, value in pairs(options) do
    copy[key] = value
  end
  copy.policy = { allow_private = config.get().http.allow_private }
  return host.request(copy)
end

return M
