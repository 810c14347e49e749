--- The routes that tenants' scripts add, under /x/. Which there are depends on the tenant: so for
-- the platform they are one, and find their handler in what runs.
--
-- Whoever is signed in may call one; { permission = "public" } as the last argument of route opens
-- it to anybody, any other name asks for that permission.

local errors = require("core.errors")
local input = require("core.input")
local json = require("core.json")
local reply = require("core.reply")
local router = require("core.router")
local s = require("core.schema")
local text = require("core.schema.text")
local hooks = require("services.scripts.hooks")

local PREFIX = "/api/v1/x/"
local READS_DETAILS = "scripts.read"
local CODE = "^[%u][%u%d_]*$"
local FAILED = "The script behind this has failed"
-- With what a capability refuses, although the rule may be right: the caller asked for something
-- that is not there, or no more as it was.
local REFUSALS = { NOT_FOUND = 404, CONFLICT = 409, INVALID_TRANSITION = 409 }

-- release -> its router, as long as it is kept
local routers = setmetatable({}, { __mode = "k" })

local function router_of(release)
  local found = routers[release]
  if not found then
    found = router.new()
    for _, hook in ipairs(release.hooks) do
      if hook.kind == "route" then
        local entry = { hook = hook }
        entry.names = found:add(hook.method, hook.path, entry)
      end
    end
    routers[release] = found
  end
  return found
end

local function no_route()
  errors.raise("NOT_FOUND", "There is nothing here")
end

local function check_permission(ctx, hook)
  local permission = hook.permission or "user"
  if permission == "public" then
    return
  elseif ctx.actor.kind == "anonymous" then
    errors.raise("UNAUTHORIZED", "Sign in first")
  elseif permission ~= "user" then
    ctx:require(permission)
  elseif ctx.actor.kind == "key" then -- its scopes say what it may do, and here nothing asks them
    errors.raise("FORBIDDEN", "An API key may call routes that ask for a permission")
  end
end

-- @return the release, its hook for the request with the names in its path, their raw values
local function find(ctx)
  ctx:require_tenant()
  local release = hooks.release(ctx, ctx.actor.user_id or ctx.ip or "")
  local leaf, values
  if release then
    leaf, values = router_of(release):match("/" .. ctx.path:sub(#PREFIX + 1))
  end
  local entry = leaf and (leaf.methods[ctx.method] or ctx.method == "HEAD" and leaf.methods.GET)
  if leaf and not entry then
    errors.raise("METHOD_NOT_ALLOWED", ctx.method .. " is not possible here",
      { headers = { Allow = leaf.allow } })
  end
  return release, entry or no_route(), values
end

local function params_of(names, values)
  local params = {}
  for i, name in ipairs(names) do
    local value = router.decode(values[i])
    params[name] = value and text.is_utf8(value) and value or no_route()
  end
  return params
end

local function request(ctx, names, values)
  local actor = ctx.actor
  local body = ctx.body_text
  return {
    method = ctx.method,
    path = ctx.path:sub(#PREFIX),
    params = json.object(params_of(names, values)),
    query = json.object(input.parse_query(ctx.req:query())),
    body = body and body ~= "" and input.decode_json(body) or json.null,
    user = actor.user_id and { id = actor.user_id, name = actor.name, role = actor.role }
      or json.null,
  }
end

-- Whether it was never asked since the request is more than it may be given. What is too much of
-- what it asked for itself has the same code, and is its own fault.
local function is_too_large(outcome)
  return outcome.error.code == "LIMIT_INPUT" and not outcome.begun
end

-- @return code, message, status
local function failure_of(outcome)
  local err = outcome.error
  if REFUSALS[err.code] then
    return err.code, err.message, REFUSALS[err.code]
  elseif is_too_large(outcome) then
    return "PAYLOAD_TOO_LARGE", ("The script behind this takes requests of at most %d KiB")
      :format(outcome.limits.input_max / 1024), 413
  elseif err.code == "UNAVAILABLE" or err.code == "CRASHED" then
    return "SERVICE_UNAVAILABLE", FAILED, 503
  end
  return "RULE_FAILED", FAILED, 500
end

-- What went wrong is for authors; it is in the record of the run, too.
local function fail(ctx, hook, outcome)
  local err = outcome.error
  local code, message, status = failure_of(outcome)
  local failure = errors.new(code, message, {
    status = status,
    fields = ctx:can(READS_DETAILS) and { rule = ("%s:%d"):format(err.file or hook.file,
      err.line or hook.line), cause = { code = err.code, message = err.message } } or nil,
  })
  failure.is_expected = true
  error(failure, 0)
end

local function text_of(value, otherwise)
  return type(value) == "string" and value ~= "" and value:sub(1, 500) or otherwise
end

-- A status from 400 on is an error of the API, with what the script says of it.
local function refuse(status, body)
  local told = type(body) == "table" and body or { message = body }
  local code = type(told.code) == "string" and told.code:find(CODE) and told.code:sub(1, 60)
  local err = errors.new(code or "REFUSED_BY_SCRIPT",
    text_of(told.message, "The script refuses this"), { status = status })
  err.is_expected = true
  error(err, 0)
end

-- What is refused to the caller is no failure of the rule, and of no canary.
local function status_of(outcome)
  local err = outcome.error
  return err and (REFUSALS[err.code] or is_too_large(outcome)) and "rejected" or outcome.status
end

local function serve(ctx)
  local release, entry, values = find(ctx)
  local hook = entry.hook
  check_permission(ctx, hook)
  local outcome = hooks.run(ctx, release, hook, { request(ctx, entry.names, values) },
    { event = hook.name, status = status_of })
  if outcome.error then
    fail(ctx, hook, outcome)
  end
  local answer = type(outcome.value) == "table" and outcome.value or {}
  local status = tonumber(answer.status) or 200
  status = status % 1 == 0 and status or 200 -- a process may say anything
  if status >= 400 and status <= 599 then
    refuse(status, answer.body)
  end
  return reply.with_status(status >= 200 and status < 300 and status or 200,
    answer.body == nil and json.null or answer.body)
end

local function route(method, body)
  return { method = method, path = PREFIX .. "*path", base = "", permission = "public",
    summary = "What the tenant's scripts answer to " .. method .. " under this path.",
    body = body,
    returns = s.any({ describe = "what the script answers" }),
    answers = { [404] = "no such route of a script, or nothing there that it asks for",
      [409] = "what it would change is not as it was", [500] = "the script failed" },
    handler = serve }
end

local ANYTHING = s.object({})

return {
  route("GET"), route("POST", ANYTHING), route("PUT", ANYTHING), route("PATCH", ANYTHING),
  route("DELETE"),
}
