--- secret(name): what a tenant keeps from everybody's eyes but its scripts'.

local errors = require("core.errors")
local s = require("core.schema")
local secrets = require("services.scripts.secrets")

-- It is the author who names secrets: with NOT_FOUND a route would tell its caller.
local function no_secret(name)
  errors.raise("SCRIPT_ERROR", ("there is no secret '%s'"):format(name), { status = 422 })
end

return {
  {
    name = "secret", parameters = { "name" },
    arguments = s.object({ name = s.string({ min = 1, max = secrets.NAME_MAX }) }),
    run = function(ctx, arguments)
      return secrets.get(ctx, arguments.name) or no_secret(arguments.name)
    end,
  },
}
