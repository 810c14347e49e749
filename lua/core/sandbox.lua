-- Processes that run Lua of strangers. A build without them has none to offer.

local ok, host = pcall(require, "host.sandbox")

return ok and host or {
  open = function()
    return nil, { code = "UNAVAILABLE", message = "this build runs no scripts" }
  end,
}
