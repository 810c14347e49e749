--- What a tenant decides for itself. Requests have it from ctx.tenant; this is for those who must
-- not act by what was a moment ago.

local service = require("services.settings.service")

return {
  current = service.current,
}
