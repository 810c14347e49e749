--- What the calls take and answer with which people and roles are administered.

local paging = require("core.paging")
local s = require("core.schema")
local people = require("services.identity.people")

local M = {}

local NAME_MAX, TEXT_MAX = 63, 500
local PERMISSIONS_MAX = 200

local function role_name(options)
  return s.string({ min = 1, max = NAME_MAX, trim = true, format = "line",
    optional = options and options.optional })
end

local function permissions(optional)
  return s.array({ of = s.string({ min = 1, max = NAME_MAX }), max = PERMISSIONS_MAX,
    optional = optional })
end

local function query(required)
  return s.string({ min = 1, max = 100, trim = true, optional = not required,
    describe = "the start of a name or an address" })
end

M.members = paging.query_schema({
  sorts = people.SORTS,
  filters = {
    role = s.list({ of = s.string({ min = 1, max = NAME_MAX }), optional = true }),
    status = s.list({ of = s.enum({ "active", "inactive", "banned" }), optional = true }),
    q = query(false),
  },
})

--- Of a POST that needs to be told nothing.
M.nothing = s.object({})

M.search = paging.query_schema({ filters = { q = query(true) } })

M.status = s.object({
  status = s.enum({ "active", "inactive", "banned" }),
  reason = s.string({ min = 1, max = TEXT_MAX, trim = true, optional = true }),
})

M.member_role = s.object({ role = role_name() })

M.changes = s.object({
  add = permissions(true),
  remove = permissions(true),
  clear = permissions(true), -- those that the roles decide again
})

M.new_role = s.object({
  name = role_name(),
  description = s.string({ max = TEXT_MAX, trim = true, default = "" }),
  permissions = permissions(),
})

-- Built-in roles have their names for ids.
M.role_id = s.object({ id = s.string({ min = 1, max = NAME_MAX }) })

M.role_changes = s.object({
  name = role_name({ optional = true }),
  description = s.string({ max = TEXT_MAX, trim = true, optional = true }),
  permissions = permissions(true),
})

M.role = s.object({
  id = s.string({ describe = "of a built-in role its name" }),
  name = s.string(),
  description = s.string(),
  builtIn = s.boolean(),
  permissions = s.array({ of = s.string() }),
  createdAt = s.string({ format = "date-time", optional = true }),
  updatedAt = s.string({ format = "date-time", optional = true }),
}, { name = "Role" })

M.roles = s.array({ of = M.role })

M.catalogue = s.array({ of = s.object({
  name = s.string({ describe = "such as reports.update" }),
  description = s.string(),
  module = s.string(),
  held = s.boolean({ describe = "whether the caller has it, and so may give it" }),
}, { name = "Permission" }) })

return M
