--- HTTP of a tenant's settings.

local etag = require("core.etag")
local reply = require("core.reply")
local schema = require("services.settings.schema")
local service = require("services.settings.service")

local function answer(settings)
  return reply.ok(settings, { etag = etag.of_shown(settings) })
end

return {
  { method = "GET", path = "/admin/settings", summary = "What the tenant has set for itself.",
    permission = "settings.manage",
    answers = { [200] = "the settings; null is what was not set" },
    returns = schema.settings, versioned = true,
    handler = function(ctx)
      return answer(service.get(ctx))
    end },
  { method = "PUT", path = "/admin/settings",
    summary = "Change the settings that are named; null takes one back.",
    permission = "settings.manage", body = schema.changes, check = service.check,
    answers = { [200] = "the settings", [400] = "invalid fields, all of them",
      [409] = "the e-mail domain is another tenant's" },
    returns = schema.settings, versioned = true,
    handler = function(ctx, input)
      return answer(service.update(ctx, input.body, function(settings)
        reply.require_match(ctx, etag.of_shown(settings))
      end))
    end },
}
