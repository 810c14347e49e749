--- Where the page comes from that sends a request. A browser says so; what is no browser does not.

local config = require("core.config")

local M = {}

--- Whether that is this server or a listed origin (cors.origins), or it is no browser's request.
function M.is_known(ctx)
  local origin = ctx.req:header("origin")
  if not origin then
    return true
  end
  local host = ctx.req:header("host") or ""
  if origin:lower():match("^https?://(.+)$") == host:lower() then
    return true
  end
  for _, listed in ipairs(config.get().cors.origins) do
    if origin == listed then
      return true
    end
  end
  return false
end

return M
