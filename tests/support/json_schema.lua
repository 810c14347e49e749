--- Checks values against the JSON Schema of an OpenAPI document: the keywords that ours uses, and one
-- thing more: an object that says which properties it has may have no others.
local cjson = require("cjson.safe")

local M = {}

local null = cjson.null

local IS = {
  string = function(value) return type(value) == "string" end,
  boolean = function(value) return type(value) == "boolean" end,
  number = function(value) return type(value) == "number" end,
  integer = function(value) return type(value) == "number" and value % 1 == 0 end,
  null = function(value) return value == null end,
  array = function(value) return type(value) == "table" and (next(value) == nil or value[1] ~= nil) end,
  object = function(value) return type(value) == "table" and value[1] == nil end,
}

local FORMATS = {
  uuid = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$",
  ["date-time"] = "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$",
}

local check

local function resolve(document, ref)
  local at = document
  for name in ref:gsub("^#/", ""):gmatch("[^/]+") do
    at = assert(type(at) == "table" and at[name], "no such reference: " .. ref)
  end
  return at
end
M.resolve = resolve

local function has_type(types, value)
  for _, name in ipairs(type(types) == "table" and types or { types }) do
    if IS[name](value) then
      return true
    end
  end
  return false
end

local function check_object(document, schema, value, path, problems)
  for _, name in ipairs(schema.required or {}) do
    if value[name] == nil then
      problems[#problems + 1] = path .. "." .. name .. " is missing"
    end
  end
  for name, item in pairs(schema.properties and value or {}) do
    if schema.properties[name] then
      check(document, schema.properties[name], item, path .. "." .. name, problems)
    else
      problems[#problems + 1] = path .. "." .. name .. " is not described"
    end
  end
end

local function check_any(document, choices, value, path, problems)
  local first
  for _, choice in ipairs(choices) do
    local found = {}
    check(document, choice, value, path, found)
    if #found == 0 then
      return
    end
    first = first or found[1]
  end
  problems[#problems + 1] = first
end

function check(document, schema, value, path, problems)
  if schema["$ref"] then
    return check(document, resolve(document, schema["$ref"]), value, path, problems)
  elseif schema.anyOf then
    return check_any(document, schema.anyOf, value, path, problems)
  end
  local function expect(ok, text)
    if not ok then
      problems[#problems + 1] = ("%s %s: %s"):format(path, text, tostring(cjson.encode(value)))
    end
  end
  if schema.const ~= nil then
    return expect(value == schema.const, "is not the constant")
  end
  if schema.type and not has_type(schema.type, value) then
    return expect(false, "is not " .. cjson.encode(schema.type))
  end
  if schema.enum then
    local known = false
    for _, choice in ipairs(schema.enum) do
      known = known or choice == value
    end
    expect(known, "is not of the enum")
  end
  if type(value) == "string" and FORMATS[schema.format] then
    expect(value:find(FORMATS[schema.format]), "is no " .. schema.format)
  end
  if type(value) == "table" and value[1] ~= nil and schema.items then
    for i, item in ipairs(value) do
      check(document, schema.items, item, path .. "[" .. i .. "]", problems)
    end
  elseif type(value) == "table" then
    check_object(document, schema, value, path, problems)
  end
end

--- All that is wrong with a value: an array of texts.
-- @param document in which references are looked up
function M.problems(document, schema, value)
  local problems = {}
  check(document, schema, value, "", problems)
  return problems
end

return M
