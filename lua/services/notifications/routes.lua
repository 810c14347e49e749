--- What one was told, how one wants to be told, and the mailbox of development.

local etag = require("core.etag")
local reply = require("core.reply")
local s = require("core.schema")
local inbox = require("services.notifications.inbox")
local mailbox_routes = require("services.notifications.mailbox_routes")
local preferences = require("services.notifications.preferences")
local schema = require("services.notifications.schema")

local ID = s.object({ id = s.string({ format = "uuid" }) })

local function answer_preferences(ctx)
  local shown = preferences.get(ctx)
  return reply.ok(shown, { etag = etag.of_shown(shown) })
end

-- They are a person's own: an API key has none. Who belongs to no tenant has an account, about
-- which they are told.
local function own(route)
  route.permission, route.tenant = "user", false
  return route
end

local routes = {
  own({ method = "GET", path = "/notifications", query = schema.query,
    summary = "What I was told in this tenant and about my account, newest first.",
    returns = schema.list, meta = schema.meta,
    handler = function(ctx, input)
      local list, meta = inbox.list(ctx, input.query)
      return reply.ok(list, { meta = meta })
    end }),
  own({ method = "PUT", path = "/notifications/read-all",
    summary = "Mark all of them as read.", returns = schema.read_all, body = s.object({}),
    handler = function(ctx)
      return reply.ok({ read = inbox.read_all(ctx) })
    end }),
  own({ method = "GET", path = "/notifications/preferences",
    summary = "How I want to be told things.", returns = schema.preferences, versioned = true,
    handler = answer_preferences }),
  own({ method = "PUT", path = "/notifications/preferences", body = schema.preferences,
    check = preferences.check, versioned = true,
    summary = "Set how I want to be told things: channels, types, quiet hours, digest.",
    answers = { [400] = "invalid fields, all of them" }, returns = schema.preferences,
    handler = function(ctx, input)
      preferences.put(ctx, input.body, function(shown)
        reply.require_match(ctx, etag.of_shown(shown))
      end)
      return answer_preferences(ctx)
    end }),
  own({ method = "PUT", path = "/notifications/:id/read", params = ID, body = s.object({}),
    summary = "Mark one as read.", returns = schema.notification,
    answers = { [404] = "none of mine" },
    handler = function(ctx, input)
      return reply.ok(inbox.read(ctx, input.params.id))
    end }),
  own({ method = "DELETE", path = "/notifications/:id", params = ID,
    summary = "Remove one for good.", returns = false,
    answers = { [404] = "none of mine" },
    handler = function(ctx, input)
      inbox.delete(ctx, input.params.id)
      return reply.ok(nil)
    end }),
}

for _, route in ipairs(mailbox_routes) do
  routes[#routes + 1] = route
end

return routes
