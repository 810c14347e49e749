-- What the host calls: what was declared, and one run of a hook.
local sandbox = ...

local hooks, functions = sandbox.hooks, sandbox.functions

--- @return {hooks, problems} of the files
function sandbox.declared()
  for _, hook in ipairs(hooks) do
    hook.onError = hook.kind == "before" and sandbox.on_error[hook.file] or nil
  end
  return { hooks = sandbox.array(hooks), problems = sandbox.array(sandbox.problems) }
end

--- Refuses what the request wants: reject(field, message) or reject(message). The hook goes on, so
-- that all reasons can be told at once.
sandbox.define("reject", function(field, message)
  local state = sandbox.state()
  if not state or state.kind ~= "before" then
    sandbox.fail("SCRIPT_ERROR", "reject works in a before hook only")
  end
  if message == nil then
    field, message = "", field
  end
  if type(field) ~= "string" or type(message) ~= "string" then
    sandbox.fail("SCRIPT_ERROR", "reject takes the name of a field and a message")
  end
  local _, line = sandbox.where()
  state.rejected = state.rejected or sandbox.array({})
  table.insert(state.rejected, { field = field, message = message, line = line })
end)

sandbox.define("budget", sandbox.budget)

local RUNS = {}

sandbox.runs = RUNS

function RUNS.before(code, arguments, _, state)
  local data = arguments[1]
  local text = sandbox.json_encode(data)
  code(unpack(arguments))
  local changed = sandbox.json_encode(data) ~= text
  return { changed = changed and data or nil, rejected = state.rejected }
end

-- The snapshot has the name of what it is of: event.report, event.workorder; what is different now
-- is in event.previous as it was.
function RUNS.on(code, arguments)
  local event = arguments[1]
  local name, data = event.resourceType, event.data
  event[name] = type(data[name]) == "table" and data[name] or data
  event.previous = data.previous
  code(event)
end

function RUNS.every(code, arguments)
  code(unpack(arguments))
end

function RUNS.transition(code, arguments)
  return code(unpack(arguments)) and true or false
end

-- Step 0 asks whether it is to escalate at all.
function RUNS.escalate(code, arguments, step)
  if step ~= 0 then
    code.steps[step](unpack(arguments))
    return nil
  end
  return not code.when or code.when(unpack(arguments)) and true or false
end

function RUNS.route(code, arguments)
  return sandbox.route_answer(code(unpack(arguments)))
end

function RUNS.template(code, arguments)
  local texts = {}
  for field, fn in pairs(code) do
    local text = fn(unpack(arguments))
    if type(text) ~= "string" and type(text) ~= "number" then
      sandbox.fail("SCRIPT_ERROR", ("template: the function for %s must return text, not %s")
        :format(field, text == nil and "nothing" or "a " .. type(text)))
    end
    texts[field] = tostring(text)
  end
  return texts
end

--- @param input hook (its id), arguments, step (of an escalation), and what the clock and the
--   capabilities of the prelude need: now, timezone, dry; seed: another attempt draws the same lots
function sandbox.run(input)
  local hook = hooks[input.hook]
  local state = sandbox.state()
  state.kind, state.input = hook.kind, input
  sandbox.at(hook.file, hook.line)
  sandbox.random_seed(input.seed or input.now)
  return RUNS[hook.kind](functions[hook.id], input.arguments, input.step, state)
end
