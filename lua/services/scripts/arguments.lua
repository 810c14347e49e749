--- Whether rules call capabilities with arguments that can be right. It reads what strangers wrote,
-- which is done where that runs (prelude/arguments.lua); what stands there is judged here, as it
-- would be when the rule runs.

local errors = require("core.errors")
local json = require("core.json")
local registry = require("core.registry")
local s = require("core.schema")
local parts = require("services.scripts.parts")
local process = require("services.scripts.process")

local M = {}

local CHUNKS = { "arguments" }
local LIMITS = { cpu_ms = 1000, wall_ms = 5000, output_max = 131072, log_max = 1024 }
local DEPTH = { max_depth = 16 }
local AS_WRITTEN = { strict = true, from_lua = true, gaps = true }
local NOTHING = {}

-- What needs nobody, and can be called wrongly all the same.
local OWN = {
  reject = { parameters = { "field", "message" },
    arguments = s.object({ field = s.string(), message = s.string({ optional = true }) }) },
}

local known -- name -> what its arguments are called, once put together

-- The fields of an object's schema: "required" or "optional"; nil when it takes any.
local function fields_of(schema)
  if not schema or not schema.fields then
    return nil
  end
  local fields = json.object({})
  for name, field in pairs(schema.fields) do
    fields[name] = field.optional and "optional" or "required"
  end
  return fields
end

local function describe(entry)
  local told = { changes = (entry.writes or entry.outside) and true or nil }
  if not entry.parameters then
    told.fields = fields_of(entry.arguments)
    return told
  end
  told.parameters, told.objects = json.array(entry.parameters), json.object({})
  for _, name in ipairs(entry.parameters) do
    told.objects[name] = fields_of(entry.arguments.fields[name])
  end
  return told
end

local function catalogue()
  if not known then
    known = json.object({})
    for _, entries in ipairs({ OWN, registry.capabilities }) do
      for name, entry in pairs(entries) do
        known[name] = describe(entry)
      end
    end
  end
  return known
end

-- What is wrong with a call as it stands there, or nil.
local function judge(rule, call)
  local entry = type(call.name) == "string"
    and (OWN[call.name] or registry.capabilities[call.name])
  if not entry or type(call.arguments) ~= "table" then
    return nil
  end
  local _, problems = entry.arguments:validate(call.arguments, AS_WRITTEN)
  return problems and { file = rule.path, line = call.line, column = call.column,
    severity = "error", message = ("%s: %s"):format(call.name, errors.words(problems)) } or nil
end

local function tables_of(list)
  local tables = {}
  for _, entry in ipairs(type(list) == "table" and list or NOTHING) do
    tables[#tables + 1] = type(entry) == "table" and entry or nil
  end
  return tables
end

-- Adds what a process found in a rule. It may say anything.
local function add(found, rule, text)
  local told = json.decode(text, DEPTH)
  local value = type(told) == "table" and type(told.value) == "table" and told.value or NOTHING
  for _, problem in ipairs(tables_of(value.problems)) do
    found[#found + 1] = problem
  end
  for _, call in ipairs(tables_of(value.calls)) do
    found[#found + 1] = judge(rule, call)
  end
end

--- The problems of rules, {{file, line, column, severity, message}, ...}; none of what cannot be
-- looked at. Waits.
-- @param ctx whose tenant's process does it
-- @param rules {{path, content}, ...}
function M.problems(ctx, rules)
  local found = {}
  local id, texts = parts.of({}, CHUNKS)
  local release = { id = id, texts = function()
    return texts
  end }
  for _, rule in ipairs(rules) do
    local input = json.encode({ file = rule.path, text = rule.content, known = catalogue() })
    local message, conn = process.start({ tenant_id = ctx.tenant.id, lane = "draft" }, release,
      input, LIMITS)
    if message and message.kind == "done" and message.ok then
      add(found, rule, message.text)
    elseif message and message.kind == "call" then
      conn:cancel(message.run)
    end
  end
  return found
end

return M
