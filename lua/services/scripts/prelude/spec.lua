-- What specs (*_spec.lua) have besides: describe, it, before_each, a richer assert, and `rules`, by
-- which a spec runs what the rules declare. Nothing leaves the process: what a rule asks for is
-- noted, and answered by the spec.
local sandbox = ...

local hooks, functions = sandbox.hooks, sandbox.functions
local cases = {} -- {name, run, setups = array of functions, file, line}
local open = {} -- the describes around what is being declared: {name, setups}
local own = {} -- the names of specs
local env, declared = sandbox.env, sandbox.declared

local START = "2026-11-20T09:00:00.000Z"

local function fail(format, ...)
  sandbox.fail("SPEC_FAILED", format:format(...))
end

local function check_type(name, what, value, expected)
  if type(value) ~= expected then
    fail("%s takes %s, not %s", name, what, value == nil and "nothing" or "a " .. type(value))
  end
end

local function check_known(what, name, known)
  local wrong = sandbox.unknown(what, name, known)
  if wrong then
    fail("%s", wrong)
  end
end

-- Declaring ---------------------------------------------------------------------

local function refuse_inside(name)
  if sandbox.state() then
    fail("%s works at the top of a spec, not inside of it", name)
  end
end

function own.describe(name, fn)
  refuse_inside("describe")
  check_type("describe", "a name and a function", fn, "function")
  open[#open + 1] = { name = tostring(name), setups = {} }
  fn()
  open[#open] = nil
end

function own.before_each(fn)
  refuse_inside("before_each")
  check_type("before_each", "a function", fn, "function")
  if not open[1] then
    fail("before_each works inside of describe")
  end
  table.insert(open[#open].setups, fn)
end

function own.it(name, fn)
  refuse_inside("it")
  check_type("it", "a name and a function", fn, "function")
  local case = { run = fn, setups = {} }
  local words = {}
  for _, around in ipairs(open) do
    words[#words + 1] = around.name
    case.setups[#case.setups + 1] = around.setups
  end
  words[#words + 1] = tostring(name)
  case.name = table.concat(words, " ")
  case.file, case.line = sandbox.where()
  cases[#cases + 1] = case
end

-- Comparing ---------------------------------------------------------------------

local function shown(value)
  if type(value) == "table" then
    return sandbox.json_encode(value)
  end
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  end
  for key, value in pairs(a) do
    if not same(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

local asserts = {}

function asserts.equal(expected, actual)
  if expected ~= actual then
    fail("expected %s, got %s", shown(expected), shown(actual))
  end
end

function asserts.same(expected, actual)
  if not same(expected, actual) then
    fail("expected %s, got %s", shown(expected), shown(actual))
  end
end

function asserts.is_true(value)
  asserts.equal(true, value)
end

function asserts.is_false(value)
  asserts.equal(false, value)
end

function asserts.is_nil(value)
  asserts.equal(nil, value)
end

function asserts.truthy(value)
  if not value then
    fail("expected something, got %s", shown(value))
  end
end

own.assert = sandbox.read_only(asserts, "assert.", function(_, value, message)
  if not value then
    fail("%s", message == nil and "assertion failed" or tostring(message))
  end
  return value
end)

-- Answering what rules ask for --------------------------------------------------

-- What belongs to the spec under way.
local function world()
  local state = sandbox.state()
  state.world = state.world or { actions = {}, answers = {}, kept = {}, made = 0 }
  return state.world
end

local fakes = {}

fakes["kv.get"] = function(arguments, kept)
  return kept[arguments.key]
end

fakes["kv.set"] = function(arguments, kept)
  kept[arguments.key] = arguments.value
end

fakes["kv.delete"] = function(arguments, kept)
  kept[arguments.key] = nil
end

fakes["kv.incr"] = function(arguments, kept)
  kept[arguments.key] = (kept[arguments.key] or 0) + (arguments.by or 1)
  return kept[arguments.key]
end

fakes.secret = function(arguments)
  return "secret " .. tostring(arguments.name)
end

local known = {} -- name -> {writes, outside}
for _, entry in ipairs(sandbox.catalogue.capabilities) do
  known[entry.name] = entry
end

-- As over the wire: a copy, of what JSON can say.
local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  return sandbox.json_decode(sandbox.json_encode(value))
end

function sandbox.call(name, arguments)
  local now = world()
  if known[name].writes or known[name].outside then
    local file, line = sandbox.where()
    now.actions[#now.actions + 1] = { call = name, arguments = copy(arguments), file = file,
      line = line }
  end
  local answer = now.answers[name]
  if type(answer) == "function" then
    return copy(answer(arguments))
  elseif answer ~= nil then
    return copy(answer)
  elseif fakes[name] then
    return copy(fakes[name](arguments, now.kept))
  elseif not known[name].writes then
    fail("what does %s answer? Say so: answer(%q, ...)", name, name)
  end
  now.made = now.made + 1
  local made = copy(arguments)
  made.id = made.id or ("made-up-%d"):format(now.made)
  return made
end

--- Says what a capability answers from here on: a value, or a function of its arguments.
function own.answer(name, value)
  check_known("capability", name, sandbox.keys(known))
  world().answers[name] = value
end

--- Sets the time that rules see.
function own.clock(iso)
  sandbox.moment("clock", iso)
  sandbox.state().input.now = iso
end

-- Running rules -----------------------------------------------------------------

local function run(hook, arguments, step)
  local state = sandbox.state()
  local kind, rejected = state.kind, state.rejected
  state.kind, state.rejected = hook.kind, nil
  local value = sandbox.runs[hook.kind](functions[hook.id], arguments, step, state)
  state.kind, state.rejected = kind, rejected
  return value
end

local function each(kind, name)
  local i = 0
  return function()
    repeat
      i = i + 1
    until not hooks[i] or hooks[i].kind == kind and hooks[i].name == name
    return hooks[i]
  end
end

local function find(kind, name)
  return each(kind, name)() or fail("no rule declares %s %s", kind, name)
end

-- What fn wants done: not what it only read.
local function actions_of(fn)
  local now = world()
  local first = #now.actions + 1
  fn()
  local list = {}
  for i = first, #now.actions do
    list[#list + 1] = now.actions[i]
  end
  return list
end

local running = {}

-- What a spec says of something over what is usual; json.null is for what is not there.
local function put_over(usual, given)
  for key, value in pairs(given) do
    if type(usual[key]) == "table" and type(value) == "table" then
      put_over(usual[key], value)
    else
      usual[key] = value ~= sandbox.null and value or nil
    end
  end
  return usual
end

-- The second argument of what stands before an action.
local function about_of(action, given)
  return put_over({ action = action, id = "made-up",
    user = { kind = "user", id = "made-up", name = "Somebody", role = "dispatcher" } }, given)
end

--- What all rules in front of an action make of its data: {data, rejected = {{field, message}}}.
-- @param about what the rules get besides, over what is usual; or nil
function running.before(name, data, about)
  check_known("action", name, sandbox.catalogue.actions)
  check_type("rules.before", "an action and a table of its data", data, "table")
  check_type("rules.before", "a table that tells what it is about", about or {}, "table")
  local result = { data = copy(data), rejected = {} }
  for hook in each("before", name) do
    local outcome = run(hook, { result.data, about_of(name, copy(about or {})) })
    result.data = outcome.changed or result.data
    for _, rejected in ipairs(outcome.rejected or {}) do
      table.insert(result.rejected, { field = rejected.field, message = rejected.message })
    end
  end
  return result
end

--- What all rules on an event want done: {{call, arguments, file, line}, ...}.
function running.on(name, data)
  check_known("event", name, sandbox.catalogue.events)
  check_type("rules.on", "an event and a table of its data", data, "table")
  local kind = name:match("^([^.]+)")
  return actions_of(function()
    for hook in each("on", name) do
      run(hook, { { id = "event", event = name, resourceType = kind, resourceId = data.id,
        data = copy(data), actor = { kind = "user" }, occurredAt = sandbox.state().input.now } })
    end
  end)
end

--- What a schedule wants done.
function running.every(name)
  local hook = find("every", name)
  return actions_of(function()
    run(hook, {})
  end)
end

--- What a route answers: {status, body}.
function running.route(method, path, request)
  check_type("rules.route", "a method, a path and a table of the request", request or {}, "table")
  local given = copy(request or {})
  given.method, given.path = method, path
  given.query, given.params = given.query or {}, given.params or {}
  return run(find("route", tostring(method) .. " " .. tostring(path)), { given })
end

--- Whether a rule lets somebody make a transition.
function running.guard(of, from, to, entity, user)
  local hook = find("transition", ("%s:%s:%s"):format(tostring(of),
    tostring(from), tostring(to)))
  return not hook.guarded or run(hook, { copy(entity), copy(user) })
end

local function escalation(of, name)
  for hook in each("escalate", name) do
    if hook.of == of then
      return hook
    end
  end
  fail("no rule escalates %s %s", of, name)
end

--- Whether something escalates at all.
function running.escalates(of, name, entity)
  return run(escalation(of, name), { copy(entity) }, 0)
end

--- What a step of an escalation wants done.
function running.escalate(of, name, entity, step)
  local hook = escalation(of, name)
  if not hook.steps[step] then
    fail("%s has no step %s", name, tostring(step))
  end
  return actions_of(function()
    run(hook, { copy(entity) }, step)
  end)
end

own.rules = sandbox.read_only(running, "rules.")

-- Specs see everything that rules see, too; what they do not is declaring rules.
for _, name in ipairs({ "before", "on", "escalate", "transition", "route", "every", "template" }) do
  own[name] = function()
    fail("%s declares a rule: that belongs into a file of rules", name)
  end
end

function sandbox.env(file)
  local names = env(file)
  if file:find("_spec%.lua$") then
    for name, value in pairs(own) do
      rawset(names, name, value)
    end
  end
  return names
end

function sandbox.declared()
  local told = declared()
  told.specs = sandbox.array({})
  for i, case in ipairs(cases) do
    told.specs[i] = { name = case.name, file = case.file, line = case.line }
  end
  return told
end

--- Runs one spec. @param input spec = its number, timezone
function sandbox.run(input)
  local case = cases[input.spec]
  local state = sandbox.state()
  state.kind, state.input = "spec", { now = START, timezone = input.timezone }
  sandbox.at(case.file, case.line)
  for _, setups in ipairs(case.setups) do
    for _, setup in ipairs(setups) do
      setup()
    end
  end
  case.run()
end
