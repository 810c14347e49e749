--- The names that an author's file can use: what the linter knows.

local registry = require("core.registry")

local M = {}

-- Name -> true, or the fields of a table.
local ALWAYS = {
  -- of Lua
  assert = true, error = true, ipairs = true, next = true, pairs = true, select = true,
  tonumber = true, tostring = true, type = true, unpack = true,
  string = { "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep",
    "reverse", "sub", "upper" },
  table = { "concat", "insert", "remove", "sort" },
  math = { "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "deg", "exp", "floor",
    "fmod", "frexp", "huge", "ldexp", "log", "log10", "max", "min", "modf", "pi", "pow", "rad",
    "random", "sin", "sinh", "sqrt", "tan", "tanh" },
  bit = { "arshift", "band", "bnot", "bor", "bswap", "bxor", "lshift", "rol", "ror", "rshift",
    "tobit", "tohex" },
  -- what a rule declares
  before = true, on = true, escalate = true, transition = true, route = true, every = true,
  template = true,
  -- what it does without asking anybody
  reject = true, log = true, now = true, budget = true,
  json = { "encode", "decode", "null", "array" },
  time = { "add", "diff" },
  geo = { "distance", "inside" },
}

--- All names: name -> true, or an array of the fields of a table. Capabilities are those that are
-- registered.
function M.all()
  local all = {}
  for name, value in pairs(ALWAYS) do
    all[name] = type(value) == "table" and { unpack(value) } or value
  end
  for name in pairs(registry.capabilities) do
    local prefix, field = name:match("^([^.]+)%.(.+)$")
    if prefix then
      all[prefix] = type(all[prefix]) == "table" and all[prefix] or {}
      table.insert(all[prefix], field)
    else
      all[name] = all[name] or true
    end
  end
  return all
end

return M
