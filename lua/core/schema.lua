-- The one schema language: the same table validates, gives the error details and is published
-- in OpenAPI.
--
--   local s = require("core.schema")
--   s.object({ title = s.string({ min = 3, max = 200 }), tags = s.array({ of = s.string({}) }) },
--     { check = function(value, problem) ... end })
--
-- Options of every type: optional, default (makes it optional), nullable (null is kept as
-- json.null instead of counting as absent), describe.
--
-- A schema is made once, when a module loads, and never changes; all state of a validation is in
-- its `state`. Paths are put together only for problems.

local formats = require("core.schema.formats")
local json = require("core.json")
local publish = require("core.schema.openapi")
local text = require("core.schema.text")

local M = {}

jit.off(true, true) -- its ways are long and ever others: see host/lua_vm.c

local null = json.null

local Schema = {}
Schema.__index = Schema

local MAP_MAX_BYTES = 16384
-- A map is kept and sent inside of other objects, all of which share the limit of 32.
local MAP_MAX_DEPTH = 16

local NONE_WRONG, NO_OPTIONS = {}, {}

local COMMON = { optional = true, default = true, nullable = true, describe = true }

-- Options that each kind knows besides COMMON: a misspelt one must not be silently nothing.
local OPTIONS = {
  object = { check = true, name = true },
  string = { min = true, max = true, pattern = true, format = true, trim = true },
  integer = { min = true, max = true },
  number = { min = true, max = true, decimals = true },
  boolean = {},
  enum = {},
  array = { of = true, min = true, max = true },
  list = { of = true, max = true },
  map = { max_bytes = true },
  any = {},
  either = {},
}

local function new(kind, options, check)
  local schema = setmetatable({ kind = kind, check_value = check }, Schema)
  for name, value in pairs(options or {}) do
    if type(name) == "string" then
      if not COMMON[name] and not OPTIONS[kind][name] then
        error("schema: " .. kind .. " has no option '" .. name .. "'", 3)
      end
      schema[name] = value
    end
  end
  schema.optional = schema.optional or schema.default ~= nil
  return schema
end

local function add_problem(state, field, code, message)
  local problems = state.problems
  if not problems then
    problems = {}
    state.problems = problems
  end
  problems[#problems + 1] = { field = field, code = code, message = message }
end

local function range_message(schema, unit)
  local min, max = schema.min, schema.max
  if min and max then
    return ("must be between %s and %s%s"):format(min, max, unit)
  elseif min then
    return ("must be at least %s%s"):format(min, unit)
  end
  return ("must be at most %s%s"):format(max, unit)
end

local function length_message(schema, unit)
  local min, max = schema.min, schema.max
  if min and max then
    return ("must have %s to %s %s"):format(min, max, unit)
  elseif min then
    return ("must have at least %s %s"):format(min, unit)
  end
  return ("must have at most %s %s"):format(max, unit)
end

local function check_string(schema, value, state, prefix, name)
  if type(value) ~= "string" then
    return add_problem(state, prefix .. name, "type", "must be text")
  end
  if state.coerce and not text.is_utf8(value) then
    return add_problem(state, prefix .. name, "format", "must be UTF-8")
  end
  if text.has_controls(value) then
    return add_problem(state, prefix .. name, "format", "must not hold control characters")
  end
  if schema.trim then
    value = text.trim(value)
  end
  if not text.length_within(value, schema.min, schema.max) then
    return add_problem(state, prefix .. name, "length", length_message(schema, "characters"))
  end
  if schema.pattern and not value:find(schema.pattern) then
    return add_problem(state, prefix .. name, "format",
      schema.describe and "must be " .. schema.describe or "has the wrong form")
  end
  local format = schema.format and formats[schema.format]
  if format then
    local clean = format.read(value)
    if not clean then
      return add_problem(state, prefix .. name, "format", format.message)
    end
    return clean
  end
  return value
end

local function check_number(schema, value, state, prefix, name)
  local integer = schema.kind == "integer"
  if state.coerce and type(value) == "string" and #value <= 32
    and (value:find("^%-?%d+$") or not integer and value:find("^%-?%d+%.?%d*[eE]?[+-]?%d*$")) then
    value = tonumber(value)
  end
  if type(value) ~= "number" or value ~= value or value - value ~= 0
    or integer and (value % 1 ~= 0 or value > 2 ^ 53 or value < -2 ^ 53) then
    return add_problem(state, prefix .. name, "type",
      integer and "must be a whole number" or "must be a number")
  end
  if schema.min and value < schema.min or schema.max and value > schema.max then
    return add_problem(state, prefix .. name, "range", range_message(schema, ""))
  end
  if schema.decimals then
    local unit = 10 ^ schema.decimals
    value = math.floor(value * unit + 0.5) / unit
  end
  return value
end

local BOOLEANS = { ["true"] = true, ["1"] = true, ["false"] = false, ["0"] = false }

local function check_boolean(_, value, state, prefix, name)
  if state.coerce and BOOLEANS[value] ~= nil then
    value = BOOLEANS[value]
  end
  if type(value) ~= "boolean" then
    return add_problem(state, prefix .. name, "type", "must be true or false")
  end
  return value
end

local function check_enum(schema, value, state, prefix, name)
  if not schema.allowed[value] then
    return add_problem(state, prefix .. name, "enum",
      "must be one of " .. table.concat(schema.values, ", "))
  end
  return value
end

local function check_items(schema, values, state, prefix, name)
  local clean = json.array({})
  local of = schema.of
  for i = 1, #values do
    local value = values[i]
    local item = name .. "[" .. (i - 1) .. "]"
    if value == null and not of.nullable and not state.gaps then
      add_problem(state, prefix .. item, "type", "must not be null")
    else
      clean[#clean + 1] = value == null and null or of:check_value(value, state, prefix, item)
    end
  end
  return clean
end

-- From Lua, where an empty table may be either, it is a list where one is wanted.
local function is_list(value, state)
  return type(value) == "table"
    and (json.is_array(value) or state.from_lua and next(value) == nil)
end

local function check_array(schema, value, state, prefix, name)
  if not is_list(value, state) then
    return add_problem(state, prefix .. name, "type", "must be a list")
  end
  if schema.min and #value < schema.min or schema.max and #value > schema.max then
    return add_problem(state, prefix .. name, "length", length_message(schema, "entries"))
  end
  return check_items(schema, value, state, prefix, name)
end

-- Whether there is a null anywhere in it.
local function has_gaps(value)
  if type(value) ~= "table" then
    return value == null
  end
  for _, inner in pairs(value) do
    if has_gaps(inner) then
      return true
    end
  end
  return false
end

-- The entries with commas between them; nil when one is no text.
local function joined(values)
  for _, value in ipairs(values) do
    if type(value) ~= "string" and type(value) ~= "number" then
      return nil
    end
  end
  return table.concat(values, ",")
end

-- "a,b,c" of a query; the parameter given several times counts as one list.
local function check_list(schema, value, state, prefix, name)
  if is_list(value, state) then
    if #value == 0 or state.gaps and has_gaps(value) then
      return json.array(value)
    end
    value = joined(value)
  end
  if type(value) ~= "string" then
    return add_problem(state, prefix .. name, "type", "must be a comma-separated list")
  end
  local values = {}
  for entry in (value .. ","):gmatch("([^,]*),") do
    values[#values + 1] = entry
  end
  if #values > (schema.max or 100) then
    return add_problem(state, prefix .. name, "length",
      "must have at most " .. (schema.max or 100) .. " entries")
  end
  return check_items(schema, values, state, prefix, name)
end

local function is_deeper(value, levels)
  if type(value) ~= "table" then
    return false
  elseif levels == 0 then
    return true
  end
  for _, item in pairs(value) do
    if is_deeper(item, levels - 1) then
      return true
    end
  end
  return false
end

local function check_map(schema, value, state, prefix, name)
  if type(value) ~= "table" or json.is_array(value) then
    return add_problem(state, prefix .. name, "type", "must be an object")
  end
  if is_deeper(value, MAP_MAX_DEPTH) then
    return add_problem(state, prefix .. name, "depth",
      "must be nested at most " .. MAP_MAX_DEPTH .. " deep")
  end
  local max = schema.max_bytes or MAP_MAX_BYTES
  if #json.encode(value) > max then
    return add_problem(state, prefix .. name, "length",
      "must have at most " .. max .. " bytes as JSON")
  end
  return value
end

local function check_any(_, value)
  return value
end

local function check_unknown(schema, value, state, prefix)
  for name in pairs(value) do
    if not schema.fields[name] then
      add_problem(state, prefix .. tostring(name), "unknown", "is not known")
    end
  end
end

-- Cross-field rules see only what is valid in itself; what they say of a field (or of what
-- holds it) that has a problem already is dropped.
local function check_across(schema, clean, wrong, state, prefix)
  schema.check(clean, function(field, code, message)
    local full = field == "" and prefix:sub(1, -2) or prefix .. field
    for _, problem in ipairs(state.problems or {}) do
      if problem.field == full or problem.field:sub(1, #full + 1) == full .. "." then
        return
      end
    end
    add_problem(state, full, code, message)
  end, wrong)
end

local function check_fields(schema, value, state, prefix)
  local clean, wrong = {}, nil
  local names, fields = schema.names, schema.fields
  for i = 1, #names do
    local name = names[i]
    local field = fields[name]
    local given = value[name]
    if given == null and state.gaps then
      clean[name] = null
    elseif given == nil or given == null and not field.nullable then
      if field.default ~= nil then
        clean[name] = field.default
      elseif not field.optional then
        add_problem(state, prefix .. name, "required", "is required")
      end
    elseif given == null then
      clean[name] = null
    else
      clean[name] = field:check_value(given, state, prefix, name)
      if clean[name] == nil then
        wrong = wrong or {}
        wrong[name] = true
      end
    end
  end
  if state.strict then
    check_unknown(schema, value, state, prefix)
  end
  if schema.check and not (state.gaps and has_gaps(value)) then
    check_across(schema, clean, wrong or NONE_WRONG, state, prefix)
  end
  return clean
end

local function check_object(schema, value, state, prefix, name)
  if type(value) ~= "table" or json.is_array(value) then
    return add_problem(state, prefix .. name, "type", "must be an object")
  end
  return check_fields(schema, value, state, prefix .. name .. ".")
end

--- An object with these fields. options.check(value, problem) adds cross-field rules; it is
-- called with the valid fields, and calls problem(field, code, message); "" is the object itself.
-- Its third argument is the set of the fields that are there, but not valid.
function M.object(fields, options)
  local schema = new("object", options, check_object)
  schema.fields, schema.names = fields, {}
  for name, field in pairs(fields) do
    if getmetatable(field) ~= Schema then
      error("schema: field '" .. tostring(name) .. "' is no schema", 2)
    end
    schema.names[#schema.names + 1] = name
  end
  table.sort(schema.names)
  return schema
end

--- Text. options: min, max (characters), pattern (of Lua), format (see core.schema.formats), trim.
function M.string(options)
  local schema = new("string", options, check_string)
  if schema.format and not formats[schema.format] then
    error("schema: no format '" .. schema.format .. "'", 2)
  end
  return schema
end

--- A whole number within ±2^53. options: min, max.
function M.integer(options)
  return new("integer", options, check_number)
end

--- Any finite number. options: min, max, decimals (it is rounded to so many).
function M.number(options)
  return new("number", options, check_number)
end

function M.boolean(options)
  return new("boolean", options, check_boolean)
end

--- One of the texts in the array part of `options`.
function M.enum(options)
  local schema = new("enum", options, check_enum)
  schema.values, schema.allowed = {}, {}
  for i, value in ipairs(options) do
    schema.values[i], schema.allowed[value] = value, true
  end
  return schema
end

--- A JSON array. options: of (a schema), min, max (entries).
function M.array(options)
  local schema = new("array", options, check_array)
  schema.of = schema.of or M.any()
  return schema
end

--- Comma-separated text of a query. options: of (a schema), max (entries, 100).
function M.list(options)
  local schema = new("list", options, check_list)
  schema.of = schema.of or M.string()
  return schema
end

--- A JSON object of any keys, nested at most 16 deep. options: max_bytes (16384).
function M.map(options)
  return new("map", options, check_map)
end

--- Any JSON value.
function M.any(options)
  return new("any", options, check_any)
end

local function check_either(schema, value, state, prefix, name)
  local first
  for _, choice in ipairs(schema.choices) do
    local trial = { coerce = state.coerce, strict = state.strict,
      from_lua = state.from_lua, gaps = state.gaps }
    local clean = choice:check_value(value, trial, prefix, name)
    if not trial.problems then
      return clean
    end
    first = first or trial.problems[1]
  end
  return add_problem(state, first.field, first.code, first.message)
end

--- What fits one of the schemas in the array part of `options`.
function M.either(options)
  local schema = new("either", options, check_either)
  schema.choices = { unpack(options) }
  return schema
end

--- Whether the value is a schema.
function M.is(value)
  return getmetatable(value) == Schema
end

--- Checks a value and all that is in it.
-- @param options { coerce = text stands for numbers, booleans and lists (path, query, form);
--   strict = unknown fields are problems; from_lua = an empty table is a list where one is wanted;
--   gaps = null is a value that is not known, which fits, and what has one is not asked for rules
--   across its fields }
-- @return the clean value: known fields only, with defaults; and nil, or an array of all problems
--   {field=, code=, message=}
function Schema:validate(value, options)
  options = options or NO_OPTIONS
  local state = { coerce = options.coerce, strict = options.strict, from_lua = options.from_lua,
    gaps = options.gaps }
  local clean
  if value == nil or value == null and not self.nullable then
    add_problem(state, "", "required", "is required")
  elseif self.kind ~= "object" then
    clean = self:check_value(value, state, "", "")
  elseif type(value) ~= "table" or json.is_array(value) then
    add_problem(state, "", "type", "must be an object")
  else
    clean = check_fields(self, value, state, "")
  end
  return clean, state.problems
end

--- The JSON Schema of OpenAPI 3.1.
-- @param named takes the schemas of objects that have a name, in whose place stands a reference;
--   without it they stand where they are used
function Schema:openapi(named)
  return publish(self, named)
end

return M
