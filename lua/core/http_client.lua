-- Requests to other servers: webhooks, stores, model services.

local config = require("core.config")
local host = require("host.http_client")
local trace = require("core.trace")

local M = {}

-- The other server learns which trace its work is a part of, unless the caller names one.
local function traced(ctx, headers)
  local copy = {}
  for name, value in pairs(headers or {}) do
    copy[name] = value
    if name:lower() == "traceparent" then
      return headers
    end
  end
  copy.traceparent = trace.parent(ctx)
  return copy
end

--- Sends a request and waits for the answer; its options and error codes stand at the top of
-- host/lua_http_client.c. One more is `ctx`: on whose behalf, so that its trace goes on. Private
-- addresses and loopback are reached where `http.allow_private` is set. Who asks on behalf of
-- somebody less trusted gives the policy:
--   http_client.request({ url = url, policy = { allow = { "printer.local:631" } } })
-- @return { status, headers, body, size } | nil, err
function M.request(options)
  local copy = {}
  for key, value in pairs(options) do
    copy[key] = value
  end
  copy.ctx = nil
  copy.headers = options.ctx and traced(options.ctx, options.headers) or options.headers
  copy.policy = options.policy or { allow_private = config.get().http.allow_private }
  return host.request(copy)
end

return M
