-- A small prelude for tests of the sandbox itself: enough to load a file, run what it declared, and
-- call out. The product's stands in lua/services/scripts/prelude.
local sandbox = ...

local hooks = {}

local author = {
  assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, select = select,
  tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
  bit = bit, math = math, string = string, table = table,
}

function author.before(name, handler)
  if type(handler) ~= "function" then
    sandbox.fail("SCRIPT_ERROR", "before expects a function")
  end
  local file, line = sandbox.where()
  hooks[#hooks + 1] = { name = name, handler = handler, file = file, line = line }
end

author.on = author.before
author.null = sandbox.null
author.json = sandbox.read_only({
  encode = function(value) return sandbox.json_encode(value) end,
  decode = function(text) return sandbox.json_decode(text) end,
})
author.budget = sandbox.budget

function author.log(text)
  sandbox.log_line(tostring(text))
end

function author.capability(name, arguments)
  return sandbox.call(name, arguments)
end

function author.reject(message)
  sandbox.fail("REJECTED", message)
end

function sandbox.env()
  return setmetatable({}, {
    __index = function(_, name)
      local value = author[name]
      if value == nil then
        sandbox.fail("SCRIPT_ERROR", "unknown name '" .. tostring(name) .. "'")
      end
      return value
    end,
    __newindex = function(_, name)
      sandbox.fail("SCRIPT_ERROR", "'" .. tostring(name) .. "' is no local: make it local")
    end,
    __metatable = false,
  })
end

function sandbox.declared()
  local list = sandbox.array({})
  for i, hook in ipairs(hooks) do
    list[i] = { id = i, name = hook.name, file = hook.file, line = hook.line }
  end
  return { hooks = list }
end

function sandbox.run(input)
  local hook = hooks[input.hook or 1]
  sandbox.at(hook.file, hook.line)
  sandbox.random_seed(input.seed or "")
  local state = sandbox.state()
  state.runs = (state.runs or 0) + 1
  assert(state.runs == 1)
  return hook.handler(unpack(input.arguments or {}))
end
