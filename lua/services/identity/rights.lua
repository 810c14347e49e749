--- Nobody gives, takes or touches more than they have: the one rule by which people change each
-- other's rights.

local errors = require("core.errors")
local registry = require("core.registry")
local roles = require("services.identity.roles")

local M = {}

--- Raises 403 unless the caller has every permission of a set.
-- @param what for the message: "You may not " .. what
function M.require_all(ctx, set, what)
  for _, permission in ipairs(roles.list(set)) do
    if not ctx:can(permission) then
      errors.raise("FORBIDDEN", ("You may not %s: you do not have %s"):format(what, permission))
    end
  end
end

--- A list of names as a set; 400 naming the field for one that is in no catalogue.
function M.set_of(names, field)
  local set, problems = {}, {}
  for i, name in ipairs(names) do
    if not registry.permissions[name] then
      problems[#problems + 1] = { field = ("%s[%d]"):format(field, i - 1), code = "enum",
        message = "must be a permission of the catalogue" }
    end
    set[name] = true
  end
  if #problems > 0 then
    errors.validation(problems)
  end
  return set
end

return M
