--- Who a message goes to: people, those with a role, groups that plugins know (teams).
--
-- Accounts are of a service that builds on this one: it offers the hook `recipients`.

local errors = require("core.errors")
local registry = require("core.registry")

local M = {}

local function refuse(field, message)
  errors.validation({ { field = field, code = "enum", message = message } })
end

local function members_of(ctx, kind, group)
  local find = registry.audiences[kind]
  local ids = find and find(ctx, group)
  return ids or refuse("to." .. kind, "must be a " .. kind .. " of this tenant")
end

--- The people a message goes to, each once; active members of the context's tenant alone.
-- @param to users = ids, roles = names, groups = {[kind of registry.audiences] = array of ids or
--   names}; each may be nil. A user who is no member, and a group that is none, is refused; with
--   present = true such a user is left out: for what is told later than it was asked for
-- @return array of {id, name, email, phone}
function M.find(ctx, to)
  local find = registry.hooks.recipients
  local people, seen = {}, {}
  local function add(list)
    for _, person in ipairs(list) do
      if not seen[person.id] then
        seen[person.id] = true
        people[#people + 1] = person
      end
    end
    return list
  end
  if to.users and #to.users > 0 and #add(find(ctx, { ids = to.users })) < #to.users
    and not to.present then
    refuse("to.users", "must be active members of this tenant")
  end
  if to.roles and #to.roles > 0 then
    add(find(ctx, { roles = to.roles })
      or refuse("to.roles", "must be roles of this tenant"))
  end
  for kind, groups in pairs(to.groups or {}) do
    for _, group in ipairs(groups) do
      local ids = members_of(ctx, kind, group)
      if #ids > 0 then
        add(find(ctx, { ids = ids }))
      end
    end
  end
  return people
end

return M
