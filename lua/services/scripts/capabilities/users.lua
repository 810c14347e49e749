--- users: the people of the tenant, to read, as those see them who have users.read.

local json = require("core.json")
local paging = require("core.paging")
local s = require("core.schema")
local identity = require("services.identity")

local READ = "users.read"

local LIST = paging.query_schema({
  sorts = { "name", "role", "joinedAt" },
  filters = {
    role = s.list({ of = s.string({ min = 1, max = 40 }), max = 20, optional = true }),
    q = s.string({ min = 1, max = 100, trim = true, optional = true }),
  },
})

return {
  {
    name = "users.get", parameters = { "id" },
    arguments = s.object({ id = s.string({ format = "uuid" }) }),
    run = function(ctx, arguments)
      ctx:require(READ)
      return identity.get_member(ctx, arguments.id)
    end,
  },
  {
    -- The active ones.
    name = "users.list", arguments = LIST,
    run = function(ctx, arguments)
      ctx:require(READ)
      arguments.status = json.array({ "active" })
      return (identity.list_members(ctx, arguments))
    end,
  },
}
