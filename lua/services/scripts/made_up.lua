--- What a dry run says that it has made is there for what follows in it, with what was changed of
-- it since: by the table of the capability that made it, and its id.

local json = require("core.json")

local M = {}

local function key_of(entry, id)
  return entry.name:match("^%w+") .. " " .. tostring(id)
end

-- A copy with changes; null takes away.
local function merged(known, changes)
  local thing = M.of(known.id, known)
  for name, value in pairs(changes) do
    thing[name] = value
    if value == json.null then
      thing[name] = nil
    end
  end
  return thing
end

--- What a write may give in a dry run: a copy of what it was given, under an id.
function M.of(id, given)
  local thing = {}
  for name, value in pairs(given) do
    thing[name] = value
  end
  thing.id = id
  return thing
end

--- Notes what a write of a dry run gives.
-- @param dry what belongs to the dry run
-- @param value of the entry's made_up: a thing with its id, or of a change what it changes
-- @return what the rule is given
function M.keep(dry, entry, arguments, value)
  if type(value) ~= "table" or not value.id then
    return value
  end
  dry.things = dry.things or {}
  local key = key_of(entry, value.id)
  local known = dry.things[key]
  local thing = merged(known or {}, value)
  if known or value.id ~= arguments.id then
    dry.things[key] = thing
  end
  return thing
end

--- What a dry run has made by the id that is asked for, or nil: it is none, or something else is
-- asked than one thing.
function M.find(dry, entry, arguments)
  local asks_for_one = arguments.id and entry.name:find("%.get$")
  return asks_for_one and dry.things and dry.things[key_of(entry, arguments.id)] or nil
end

return M
