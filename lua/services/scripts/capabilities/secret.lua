--- secret(name): what a tenant keeps from everybody's eyes but its scripts'.

local errors = require("core.errors")
local s = require("core.schema")
local secrets = require("services.scripts.secrets")

return {
  {
    name = "secret", parameters = { "name" },
    arguments = s.object({ name = s.string({ min = 1, max = secrets.NAME_MAX }) }),
    run = function(ctx, arguments)
      return secrets.get(ctx, arguments.name)
        or errors.raise("NOT_FOUND", ("there is no secret '%s'"):format(arguments.name))
    end,
  },
}
