-- What the author's files see: names that can be read and not changed, and a hint at what was meant
-- when there is no such name.
local sandbox = ...

local MEANT_MAX = 3 -- letters that may be wrong in a name, and no more than half of them
local MESSAGE_MAX = 500 -- bytes

local names = {} -- what authors see
local on_error = {} -- file -> what it says about its failing hooks
local problems = {}

sandbox.problems, sandbox.on_error = problems, on_error

--- Notes a mistake at the author's line; loading goes on, so that all are told together.
function sandbox.problem(message, severity)
  local file, line = sandbox.where()
  if #message > MESSAGE_MAX then
    -- no half of a letter
    message = message:sub(1, MESSAGE_MAX):gsub("[\192-\255][\128-\191]*$", "")
  end
  problems[#problems + 1] = { file = file, line = line, column = 1, message = message,
    severity = severity or "error" }
end

-- How many letters to add, remove or replace to make one word of the other; at most `max`.
local function distance(a, b, max)
  if math.abs(#a - #b) >= max then
    return max
  end
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return math.min(row[#b], max)
end

--- " (did you mean 'report.created'?)", or nothing when no candidate is close.
-- @param prefix what stands before the candidates, or nil
function sandbox.hint(name, candidates, prefix)
  local best, least = nil, math.min(MEANT_MAX, math.floor((#name + 1) / 2)) + 1
  for _, candidate in ipairs(candidates) do
    local found = distance(name, candidate, least)
    if found < least then
      best, least = candidate, found
    end
  end
  return best and (" (did you mean '%s%s'?)"):format(prefix or "", best) or ""
end

--- The keys of a table as texts, in order.
function sandbox.keys(t)
  local list = {}
  for key in pairs(t) do
    list[#list + 1] = tostring(key)
  end
  table.sort(list)
  return list
end

-- A name that is not there raises; what reads `fields` goes on to this.
local function strict(fields, prefix)
  return setmetatable(fields, { __index = function(_, name)
    sandbox.fail("SCRIPT_ERROR", ("unknown name '%s%s'%s"):format(prefix, tostring(name),
      sandbox.hint(tostring(name), sandbox.keys(fields), prefix)))
  end })
end

local function refuse(prefix)
  return function(_, name)
    sandbox.fail("SCRIPT_ERROR", ("'%s%s' cannot be changed"):format(prefix, tostring(name)))
  end
end

--- A view of a table that can be read only. `call` makes it callable, too.
function sandbox.read_only(fields, prefix, call)
  return setmetatable({}, { __index = strict(fields, prefix), __newindex = refuse(prefix),
    __call = call, __metatable = false })
end

--- Adds a name to what authors see; a table becomes read-only.
function sandbox.define(name, value, call)
  names[name] = type(value) == "table" and sandbox.read_only(value, name .. ".", call) or value
end

local ERROR_RULES = { deny = true, allow = true }

local function set(file)
  return function(_, name, value)
    if name ~= "on_error" or sandbox.state() then
      sandbox.fail("SCRIPT_ERROR", ("'%s' is not declared: make it local"):format(tostring(name)))
    elseif not ERROR_RULES[value] then
      sandbox.fail("SCRIPT_ERROR", [[on_error must be "deny" or "allow"]])
    end
    on_error[file] = value
  end
end

--- The environment of a file.
function sandbox.env(file)
  return setmetatable({}, { __index = names, __newindex = set(file), __metatable = false })
end

for name, value in pairs({
  assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, select = select,
  tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
  string = string, table = table, math = math, bit = bit, -- read-only already
}) do
  names[name] = value
end
strict(names, "")
