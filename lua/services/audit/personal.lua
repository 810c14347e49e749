--- What the trail knows of persons: sealed with a key per person (services.persons). The trail
-- itself can never change; destroying the key is what erases.

local persons = require("services.persons")

local M = {}

local MEMBER = "personal" -- where the sealed fields are, within old or new values

local FIELDS = { "email", "phone", "firstName", "lastName", "fullName", "employee", "address" }

--- The values with the person's fields sealed; changes the given table.
function M.hide(ctx, user_id, values)
  local found = {}
  for _, name in ipairs(FIELDS) do
    found[name], values[name] = values[name], nil
  end
  local text = next(found) and persons.seal(ctx, user_id, found)
  if text then
    values[MEMBER] = text
  end
  return values
end

--- The values with the person's fields readable again, as long as there is a key.
function M.show(ctx, user_id, values)
  local text = values[MEMBER]
  if type(text) ~= "string" then
    return values
  end
  values[MEMBER] = nil
  for name, value in pairs(persons.open(ctx, user_id, text) or {}) do
    values[name] = value
  end
  return values
end

return M
