--- HTTP of the secrets of scripts: they are written, never read.

local reply = require("core.reply")
local schema = require("services.scripts.schema")
local secrets = require("services.scripts.secrets")

local URL = "/api/v1/script-secrets/"

return {
  { method = "PUT", path = "/script-secrets/:name", summary = "Write a secret that scripts use.",
    permission = "scripts.publish", secret = true, body = schema.secret, returns = schema.SECRET,
    answers = { [200] = "written", [201] = "made", [400] = "no name of a secret, or too long",
      [409] = "there are 64 already" },
    handler = function(ctx, input)
      local name = input.params.name
      if secrets.put(ctx, name, input.body.value) then
        return reply.created(URL .. name, { name = name })
      end
      return reply.ok({ name = name })
    end },
  { method = "DELETE", path = "/script-secrets/:name", summary = "Remove a secret of scripts.",
    permission = "scripts.publish", returns = false,
    answers = { [200] = "removed", [400] = "no name of a secret", [404] = "no such secret" },
    handler = function(ctx, input)
      secrets.delete(ctx, input.params.name)
      return reply.ok(nil)
    end },
}
