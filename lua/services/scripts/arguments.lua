--- Whether rules call capabilities with arguments that there are. It reads what strangers wrote, so
-- it is done where that runs (prelude/arguments.lua).

local json = require("core.json")
local registry = require("core.registry")
local parts = require("services.scripts.parts")
local process = require("services.scripts.process")

local M = {}

local CHUNKS = { "arguments" }
local LIMITS = { cpu_ms = 1000, wall_ms = 5000, output_max = 65536, log_max = 1024 }
local DEPTH = { max_depth = 16 }
local NOTHING = {}

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
    for name, entry in pairs(registry.capabilities) do
      known[name] = describe(entry)
    end
  end
  return known
end

local function read(text)
  local told = json.decode(text, DEPTH)
  return type(told) == "table" and type(told.value) == "table" and told.value or NOTHING
end

--- The problems of rules, {{file, line, message}, ...}; none of what cannot be looked at. Waits.
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
      for _, problem in ipairs(read(message.text)) do
        found[#found + 1] = type(problem) == "table" and problem or nil
      end
    elseif message and message.kind == "call" then
      conn:cancel(message.run)
    end
  end
  return found
end

return M
