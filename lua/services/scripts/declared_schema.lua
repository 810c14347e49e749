--- What the process of a tenant may say that files declare. It is not believed: what is not as the
-- prelude makes it is no declaration.

local s = require("core.schema")

local M = {}

local function text(max)
  return s.string({ max = max })
end

local function flag()
  return s.boolean({ optional = true })
end

local function of()
  return text(32)
end

local KINDS = {
  before = {},
  on = {},
  escalate = { of = of(), conditional = flag(),
    steps = s.array({ min = 1, max = 100, of = s.object({ after = s.integer({ min = 0 }) }) }) },
  transition = { of = of(), from = text(32), to = text(32), guarded = flag() },
  route = { method = text(10), path = text(200),
    permission = s.string({ max = 100, optional = true }) },
  every = { cron = text(200) },
  template = { channel = text(20), fields = s.map({ max_bytes = 65536 }) },
}

local SCHEMAS = {}
for kind, fields in pairs(KINDS) do
  fields.id = s.integer({ min = 1, max = 10000 })
  fields.kind = s.enum({ kind })
  fields.name = text(100)
  fields.file = text(64)
  fields.line = s.integer({ min = 0 })
  fields.onError = s.enum({ "deny", "allow", optional = true })
  SCHEMAS[kind] = s.object(fields)
end

local PROBLEM = s.object({
  file = text(100), line = s.integer({ min = 0 }), column = s.integer({ min = 0 }),
  message = text(2000), severity = s.enum({ "error", "warning" }),
})

-- Of a tenant's own specs, where their chunk of the prelude was loaded.
local SPEC = s.object({ name = text(1000), file = text(100), line = s.integer({ min = 0 }) })

local function all(values, schema_of)
  local clean = {}
  for i, value in ipairs(type(values) == "table" and values or {}) do
    local schema = type(value) == "table" and schema_of(value)
    local item, problems = nil, true
    if schema then
      item, problems = schema:validate(value)
    end
    if problems then
      return nil
    end
    clean[i] = item
  end
  return clean
end

--- @param declared what JSON of a process gave
-- @return {hooks, problems, specs}; nil when it is anything else
function M.clean(declared)
  if type(declared) ~= "table" then
    return nil
  end
  local hooks = all(declared.hooks, function(hook)
    return SCHEMAS[hook.kind]
  end)
  local problems = all(declared.problems, function()
    return PROBLEM
  end)
  local specs = all(declared.specs, function()
    return SPEC
  end)
  return hooks and problems and specs and { hooks = hooks, problems = problems, specs = specs }
end

return M
