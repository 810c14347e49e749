--- In front of an action: the tenant's rules change what it is given, or refuse it.

local config = require("core.config")
local errors = require("core.errors")
local json = require("core.json")
local sys = require("core.sys")
local hooks = require("services.scripts.hooks")

local NOTHING = {}
local AS_MADE = { from_lua = true, strict = true }

-- All hooks of a request have this much time together.
local function time_left(ctx)
  local spent = ctx.script_time
  if not spent then
    spent = { us = 0 }
    ctx.script_time = spent
  end
  return spent, config.get().scripts.request_wall_ms * 1000 - spent.us
end

local function text_of(value)
  return type(value) == "string" and value or ""
end

local function refuse(hook, rejected)
  local details, first = {}, rejected[1]
  for i, entry in ipairs(rejected) do
    entry = type(entry) == "table" and entry or {}
    details[i] = { field = text_of(entry.field), code = "rule", message = text_of(entry.message) }
  end
  local line = type(first) == "table" and tonumber(first.line) or hook.line
  errors.raise("REJECTED_BY_RULE", details[1].message, { details = details,
    fields = { rule = ("%s:%d"):format(hook.file, line) } })
end

-- What went wrong is for the authors: it is in the record of the run.
local function fail(hook, outcome)
  errors.raise("RULE_FAILED", "A rule that must agree has failed", { status = 422,
    fields = { rule = ("%s:%d"):format(outcome.error.file or hook.file,
      outcome.error.line or hook.line) } })
end

local function is_rejected(value)
  return type(value) == "table" and type(value.rejected) == "table" and #value.rejected > 0
end

-- Whether the data have something at the path of a field, such as "location.accuracy".
local function has(data, field)
  for name in field:gmatch("[^.%[%]]+") do
    if type(data) ~= "table" then
      return false
    end
    local index = json.is_array(data) and tonumber(name)
    data = data[index and index + 1 or name]
  end
  return data ~= nil
end

-- What is wrong with data that a rule made. Fields that they had before are none of its doing.
local function problems_of(problems, before)
  local own = {}
  for _, problem in ipairs(problems or NOTHING) do
    if problem.code ~= "unknown" or not has(before, problem.field) then
      own[#own + 1] = problem
    end
  end
  return own
end

-- What a hook made of the data, if the action takes it.
local function changed(ctx, hook, outcome, about, data)
  local wanted = type(outcome.value) == "table" and outcome.value.changed
  if type(wanted) ~= "table" then
    return data
  end
  local clean, found = wanted, nil
  if about.schema then
    clean, found = about.schema:validate(wanted, AS_MADE)
  end
  local problems = problems_of(found, data)
  if #problems == 0 and about.check then
    about.check(ctx, { body = clean }, function(field, _, message)
      problems[#problems + 1] = { field = field, message = message }
    end)
  end
  if #problems == 0 then
    return clean
  end
  outcome.status = "error"
  outcome.error = { code = "VALIDATION_ERROR", file = hook.file, line = hook.line, message =
    "what the rule changed is not valid: " .. errors.words(problems) }
end

local function over_time(hook, max_ms)
  return { status = "limit", error = { code = "LIMIT_WALL", message =
    ("limit: wall %d ms of the request at %s:%d"):format(max_ms, hook.file, hook.line) } }
end

-- One hook: the data that goes on from here; raises when it is refused.
local function pass(ctx, release, hook, data, about)
  local spent, left_us = time_left(ctx)
  local result
  local function status(outcome)
    if outcome.status == "ok" and is_rejected(outcome.value) then
      return "rejected"
    elseif outcome.status == "ok" then
      result = changed(ctx, hook, outcome, about, data)
    end
    return outcome.status
  end
  local outcome = left_us > 0
    and hooks.run(ctx, release, hook, { data, about.given },
      { event = about.action, status = status })
    or over_time(hook, config.get().scripts.request_wall_ms)
  spent.us = spent.us + (outcome.wall_us or 0)
  if outcome.status == "rejected" then
    refuse(hook, outcome.value.rejected)
  elseif outcome.error and hook.onError == "deny" then
    fail(hook, outcome)
  end
  return result or data
end

--- Stands in front of an action: the tenant's rules may change what it is given, or refuse it.
-- Where a tenant has no rule for it, it costs a look into a table. Call it before the transaction.
-- @param ctx of who acts
-- @param action a name of registry.script_actions
-- @param data what the action is given, as its schema cleans it
-- @param options id = of what it is about, or will be; schema = that checks what a rule changed;
--   check(ctx, {body = data}, problem) = further rules about it, as of a route;
--   current = function() -> what it is about, as it is now: asked when there is a rule
-- @return the data; raises 422 REJECTED_BY_RULE with the fields that a rule refuses, RULE_FAILED
--   when a rule fails whose file says on_error = "deny"
return function(ctx, action, data, options)
  if not ctx.tenant or sys.role() == "cli" then
    return data
  end
  local release = hooks.release(ctx, options.id)
  local found = release and hooks.find(release, "before", action) or NOTHING
  if #found == 0 then
    return data
  end
  local about = { action = action, schema = options.schema, check = options.check, given = {
    user = hooks.person(ctx), action = action, id = options.id,
    current = options.current and options.current() or nil,
  } }
  for _, hook in ipairs(found) do
    data = pass(ctx, release, hook, data, about)
  end
  return data
end
