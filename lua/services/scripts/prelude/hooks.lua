-- The declarations: before, on, escalate, transition, route, every, template. A mistake is noted at
-- its line and loading goes on.
local sandbox = ...

local PER_EVENT_MAX, SCHEDULES_MAX, NAME_MAX = 25, 50, 100
local OF = { report = true, workorder = true }
local METHODS = { GET = true, POST = true, PUT = true, PATCH = true, DELETE = true }
local CHANNELS = { email = true, in_app = true, sms = true, push = true }
local UNITS = { s = 1, m = 60, h = 3600, d = 86400 }
local KEYS = {
  escalate = { of = true, name = true, when = true, steps = true },
  step = { after = true, run = true },
  transition = { of = true, from = true, to = true, guard = true },
  options = { permission = true },
}
local ARGUMENTS_MAX = { before = 2, on = 2, escalate = 1, transition = 1, route = 4, every = 3,
  template = 3 }

local hooks = {} -- what is declared, as the worker is told
local functions = {} -- id -> what of it is code
local counts = {} -- "on report.created" -> how many

sandbox.hooks, sandbox.functions = hooks, functions

local problem, state = sandbox.problem, sandbox.state

local function is_list(value)
  return type(value) == "table" and #value > 0
end

local function add(kind, name, data, code, max)
  local key = kind .. " " .. name
  counts[key] = (counts[key] or 0) + 1
  if max and counts[key] > max then
    return problem(("limit: %d hooks for %s"):format(max, key))
  elseif #name > NAME_MAX then
    return problem(("a name must have at most %d bytes"):format(NAME_MAX))
  end
  local hook = data or {}
  hook.id, hook.kind, hook.name = #hooks + 1, kind, name
  hook.file, hook.line = sandbox.where()
  hooks[hook.id], functions[hook.id] = hook, code
end

-- Whether a value has the type, and a problem noted when not.
local function check(what, value, expected)
  if type(value) == expected then
    return true
  end
  problem(("%s must be %s, not %s"):format(what,
    expected == "string" and "text" or "a " .. expected,
    value == nil and "nothing" or "a " .. type(value)))
end

--- What is wrong with a name that is none of the known ones, or nil.
function sandbox.unknown(what, name, known)
  for _, candidate in ipairs(known) do
    if candidate == name then
      return nil
    end
  end
  name = tostring(name)
  return ("unknown %s '%s'%s"):format(what, name, sandbox.hint(name, known))
end

local function check_known(what, name, known)
  local wrong = sandbox.unknown(what, name, known)
  return not wrong or problem(wrong)
end

local function check_one_of(what, value, set)
  if set[value] then
    return true
  end
  problem(("%s must be one of %s"):format(what, table.concat(sandbox.keys(set), ", ")))
end

-- Notes the keys that mean nothing: a misspelt guard would guard nothing. What is declared is
-- declared all the same: in releases that have such keys, the hooks keep their numbers.
local function check_keys(what, given, allowed)
  local known = sandbox.keys(allowed)
  for _, key in ipairs(type(given) == "table" and sandbox.keys(given) or {}) do
    if not allowed[key] then
      problem(("%s has no '%s'%s: it takes %s"):format(what, key, sandbox.hint(key, known),
        table.concat(known, ", ")))
    end
  end
end

local declarations = {}

function declarations.before(name, fn)
  if check("the first argument of before", name, "string")
    and check("the second argument of before", fn, "function")
    and check_known("action", name, sandbox.catalogue.actions) then
    add("before", name, nil, fn, PER_EVENT_MAX)
  end
end

function declarations.on(name, fn)
  if check("the first argument of on", name, "string")
    and check("the second argument of on", fn, "function")
    and check_known("event", name, sandbox.catalogue.events) then
    add("on", name, nil, fn, PER_EVENT_MAX)
  end
end

local function seconds(after)
  if type(after) ~= "string" then
    return nil
  end
  local number, unit = after:match("^(%d+)([smhd])$")
  return number and #number <= 6 and tonumber(number) * UNITS[unit] or nil
end

local function read_steps(steps)
  local data, code = sandbox.array({}), {}
  for i, step in ipairs(steps) do
    check_keys(("escalate: step %d"):format(i), step, KEYS.step)
    if type(step) ~= "table" or not seconds(step.after) then
      return problem(("escalate: after of step %d must be a time such as 30m, 2h or 1d"):format(i))
    elseif not check(("escalate: run of step %d"):format(i), step.run, "function") then
      return nil
    end
    data[i], code[i] = { after = seconds(step.after) }, step.run
  end
  return data, code
end

function declarations.escalate(given)
  check_keys("escalate", given, KEYS.escalate)
  if not check("the argument of escalate", given, "table")
    or not check_one_of("escalate: of", given.of, OF)
    or not check("escalate: name", given.name, "string")
    or given.when ~= nil and not check("escalate: when", given.when, "function") then
    return
  elseif counts["escalate " .. given.name] then
    return problem(("there is an escalation '%s' already"):format(given.name))
  elseif not is_list(given.steps) then
    return problem("escalate: steps must be a list of {after = ..., run = ...}")
  end
  local steps, code = read_steps(given.steps)
  if steps then
    add("escalate", given.name, { of = given.of, steps = steps, conditional = given.when ~= nil },
      { when = given.when, steps = code })
  end
end

local function is_state(text)
  return type(text) == "string" and #text <= 32 and text:find("^%l[%l%d_]*$") ~= nil
end

function declarations.transition(given)
  check_keys("transition", given, KEYS.transition)
  if not check("the argument of transition", given, "table")
    or not check_one_of("transition: of", given.of, OF)
    or given.guard ~= nil and not check("transition: guard", given.guard, "function") then
    return
  elseif not is_state(given.from) or not is_state(given.to) then
    return problem("transition: from and to must be names of states: small letters and _")
  end
  add("transition", given.of .. ":" .. given.from .. ":" .. given.to,
    { of = given.of, from = given.from, to = given.to, guarded = given.guard ~= nil }, given.guard)
end

-- { permission = "public" } or another name; without it whoever is signed in may call it.
local function route_permission(options)
  check_keys("route: options", options, KEYS.options)
  if options == nil then
    return true
  elseif type(options) ~= "table" or type(options.permission) ~= "string" then
    return problem([[the options of a route must be { permission = "public" } or another name]])
  end
  return true, options.permission
end

function declarations.route(method, path, fn, options)
  if not check_one_of("the method of a route", method, METHODS)
    or not check("the path of a route", path, "string")
    or not check("the handler of a route", fn, "function") then
    return
  elseif #path > 200 or not path:find("^/[%w%-_/:]*$") then
    return problem("the path of a route must start with / and hold plain segments")
  elseif counts["route " .. method .. " " .. path] then
    return problem(("there is a route %s %s already"):format(method, path))
  end
  local ok, permission = route_permission(options)
  if ok then
    add("route", method .. " " .. path,
      { method = method, path = path, permission = permission }, fn)
  end
end

function declarations.every(cron, name, fn)
  if not check("the first argument of every", cron, "string")
    or not check("the second argument of every", name, "string")
    or not check("the third argument of every", fn, "function") then
    return
  end
  local _, fields = cron:gsub("%S+", "")
  if fields ~= 5 or not cron:find("^[%d%s%a*,/-]+$") then
    return problem("every takes five fields: minute, hour, day, month, day of the week")
  elseif counts["every " .. name] then
    return problem(("there is a schedule '%s' already"):format(name))
  elseif counts.every == SCHEDULES_MAX then
    return problem(("limit: %d schedules"):format(SCHEDULES_MAX))
  end
  counts.every = (counts.every or 0) + 1
  add("every", name, { cron = cron }, fn)
end

function declarations.template(name, channel, fields)
  if not check("the first argument of template", name, "string")
    or not check_one_of("the channel of a template", channel, CHANNELS)
    or not check("the third argument of template", fields, "table") then
    return
  end
  local texts, code = {}, {}
  for field, value in pairs(fields) do
    if type(field) ~= "string" then
      problem(("template: a text needs a name such as body, not %s"):format(tostring(field)))
    elseif type(value) == "function" then
      texts[field], code[field] = { code = true }, value
    elseif check(("template: %s"):format(tostring(field)), value, "string") then
      texts[field] = value
    end
  end
  add("template", name, { channel = channel, fields = texts }, code)
end

for name, declare in pairs(declarations) do
  sandbox.define(name, function(...)
    if state() then
      sandbox.fail("SCRIPT_ERROR", name .. " works at the top of a file, not while a hook runs")
    end
    local count = select("#", ...)
    if count > ARGUMENTS_MAX[name] then
      problem(("%s takes %d arguments, not %d"):format(name, ARGUMENTS_MAX[name], count))
    end
    declare(...)
  end)
end
