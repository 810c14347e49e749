-- Views as data: which column of a row becomes which key of an object. The same list makes Lua
-- tables of rows (shape:of) and lets the host write rows as JSON without Lua looking at them
-- (scope:shaped, with shape.compiled).
--
--   local REPORT = shape.new({
--     { "id", "id" },
--     { "location", { { "latitude", "latitude" }, { "longitude", "longitude" } } },
--     { "tags", "tags", json = true },                   a JSON column, embedded as it is
--     { "isAnonymous", "reporter_id", is_null = true },  true or false
--     { "url", "file_id", before = "/files/", after = "/raw" },
--     { "thumbnail", "file_id", only = "type", begins = "image/" },   of rows whose type does so
--   }, { keep = { "version" } })                         columns that Lua wants to see as well
--
-- What is NULL is left out. In rows that become tables JSON columns are decoded already; such a row
-- may also be written at once (shape:text), with no object made of it first.

local host = require("host.db")
local json = require("core.json")
local new_table = require("table.new")

local M = {}

local Shape = {}
Shape.__index = Shape

--- Makes a shape.
-- @param fields list as above
-- @param options { keep = list of columns; open = whether the text lacks its last brace, so that
--   further fields can follow; lines = shape of what each row tells besides, if its
--   column `when` is no NULL: the object then comes from the first row }
function M.new(fields, options)
  options = options or {}
  local description = { keep = options.keep, open = options.open, when = options.when,
    lines = options.lines and options.lines.compiled }
  for i, field in ipairs(fields) do
    description[i] = field
  end
  return setmetatable({ fields = fields, compiled = host.shape(description) }, Shape)
end

--- The fields of these lists, one after the other.
function M.join(...)
  local all = {}
  for _, fields in ipairs({ ... }) do
    for _, field in ipairs(fields) do
      all[#all + 1] = field
    end
  end
  return all
end

--- The fields whose keys are in the set `names`, in their own order.
function M.pick(fields, names)
  local picked = {}
  for _, field in ipairs(fields) do
    if names[field[1]] then
      picked[#picked + 1] = field
    end
  end
  return picked
end

--- The names of the keys, in order.
function M.names(fields)
  local names = {}
  for i, field in ipairs(fields) do
    names[i] = field[1]
  end
  return names
end

local function begins(value, text)
  return type(value) == "string" and value:sub(1, #text) == text
end

local function object_of(fields, row)
  local object = new_table(0, #fields) -- with room: it need not grow
  for i = 1, #fields do
    local field = fields[i]
    local column = field[2]
    if type(column) == "table" then
      object[field[1]] = object_of(column, row)
    elseif field.only and not begins(row[field.only], field.begins) then
      object[field[1]] = nil
    elseif field.is_null then
      object[field[1]] = row[column] == nil
    elseif field.before and row[column] then
      object[field[1]] = field.before .. row[column] .. (field.after or "")
    else
      object[field[1]] = row[column]
    end
  end
  return object
end

--- The object of a row.
function Shape:of(row)
  return object_of(self.fields, row)
end

local function add_values(list, fields)
  for _, field in ipairs(fields) do
    local column = field[2]
    if type(column) == "table" then
      add_values(list, column)
    else
      local value = (field.json and "encoded(row[%q])" or "row[%q]"):format(column)
      list[#list + 1] = field.only and ("begins(row[%q], %q) and %s or nil"):format(field.only,
        field.begins, value) or value
    end
  end
  return list
end

local function encoded(value)
  return value ~= nil and json.encode(value) or nil
end

-- fn(row) -> text, which gives the host the values in the order of the fields.
local function writer(shape)
  local values = table.concat(add_values({}, shape.fields), ", ")
  return loadstring(("local text_of, shape, encoded, begins = ...\n"
    .. "return function(row) return text_of(shape, %s) end"):format(values))(
    host.text_of, shape.compiled, encoded, begins)
end

--- The same as JSON text.
function Shape:text(row)
  self.write = self.write or writer(self)
  return self.write(row)
end

return M
