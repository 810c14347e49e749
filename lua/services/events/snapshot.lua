--- What a snapshot tells of persons: taken out of it and sealed with a key of each
-- (services.persons) before it is stored, and put back for whoever reads it. What was erased
-- stays out.
--
-- At rest it lies beside the snapshot, as [{person = user id, sealed = text}]: the text is an
-- object of values by their paths ("assignee.name").

local json = require("core.json")
local persons = require("services.persons")

local M = {}

-- The table that a path leads into and the name there; nil when the way ends before.
local function place(data, path)
  local way, name = path:match("^(.*)%.([^.]+)$")
  for step in (way or ""):gmatch("[^.]+") do
    data = data[step]
    if type(data) ~= "table" then
      return nil
    end
  end
  return data, name or path
end

local function take(data, path)
  local parent, name = place(data, path)
  local value = parent and parent[name]
  if value == nil or value == json.null then
    return nil
  end
  parent[name] = nil
  return value
end

-- What is whose: {{person, fields = {path = value}}, ...}, always in the same order, since keys may
-- have to be made.
local function taken(data, whose)
  local by_person, list = {}, {}
  for path, user_id in pairs(whose) do
    local value = take(data, path)
    if value ~= nil then
      local entry = by_person[user_id]
      if not entry then
        entry = { person = user_id, fields = {} }
        by_person[user_id], list[#list + 1] = entry, entry
      end
      entry.fields[path] = value
    end
  end
  table.sort(list, function(a, b) return a.person < b.person end)
  return list
end

--- Takes out of a snapshot what names persons, in the transaction that stores it.
-- @param data the snapshot; it is changed
-- @param whose path -> user id, of each field that does
-- @return the sealed fields as a text of JSON, nil when there are none
function M.hide(ctx, data, whose)
  local sealed = json.array({})
  for _, entry in ipairs(taken(data, whose)) do
    local text = persons.seal(ctx, entry.person, entry.fields)
    if text then
      sealed[#sealed + 1] = { person = entry.person, sealed = text }
    end
  end
  return #sealed > 0 and json.encode(sealed) or nil
end

--- Puts back what was taken out of the data of these events, as far as there are keys.
-- @return the same events
function M.show(ctx, events)
  local parts, data = {}, {}
  for _, event in ipairs(events) do
    for _, part in ipairs(event.personal or {}) do
      parts[#parts + 1], data[#data + 1] = part, event.data
    end
    event.personal = nil
  end
  for i, fields in pairs(#parts > 0 and persons.open_all(ctx, parts) or {}) do
    for path, value in pairs(fields) do
      local parent, name = place(data[i], path)
      if parent then
        parent[name] = value
      end
    end
  end
  return events
end

return M
