-- What two states of a thing differ in, field by field.

local json = require("core.json")

local SORTED = { sorted = true }

local function is_same(a, b)
  return a == b or type(a) == "table" and type(b) == "table"
    and json.encode(a, SORTED) == json.encode(b, SORTED)
end

--- The fields of `to` that are otherwise in `from`; those that only `from` has are null.
-- @return an object, empty when there are none
return function(from, to)
  local fields = json.object({})
  for name, value in pairs(to) do
    if not is_same(value, from[name]) then
      fields[name] = value
    end
  end
  for name in pairs(from) do
    if to[name] == nil then
      fields[name] = json.null
    end
  end
  return fields
end
