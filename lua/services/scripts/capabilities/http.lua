--- http.fetch(url, options): asks a server that the tenant has named in its settings.
--
-- Where a request goes is decided twice. The name must be on the tenant's list, for each hop of a
-- redirect anew. And the host looks at the address of the socket when it connects: whatever a name
-- resolves to the next moment, private networks are not reached. Only where the operator lets
-- requests into them at all (http.allow_private, a developer's machine) a tenant can name host and
-- port of one.
--
-- Of one tenant so many are under way at once in a worker, those of routes and of the background
-- apart; the others wait for their turn, within the run's time.

local config = require("core.config")
local errors = require("core.errors")
local http_client = require("core.http_client")
local json = require("core.json")
local s = require("core.schema")
local text = require("core.schema.text")
local time = require("core.time")
local turns = require("core.turns")
local urls = require("services.scripts.capabilities.url")

local METHODS = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" }
local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }
local REDIRECTS_MAX = 3
local BODY_MAX, ANSWER_MAX = 65536, 65536 -- bytes out, bytes in
local ANSWER_JSON_MAX = 98304 -- as it reaches the script
local HEADERS_MAX, HEADER_MAX = 30, 1024
local TIMEOUT_S, TIMEOUT_MAX_S = 5, 10
local WAIT_SHARE = 0.9 -- of a run's time: who has waited so long is told why
local KEY_HEADER = "Idempotency-Key"

-- What the request is made of is not the author's to say.
local RESERVED = {
  ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true,
  ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true,
  ["upgrade"] = true, ["proxy-authorization"] = true, ["proxy-connection"] = true,
  ["traceparent"] = true,
}

local PROBLEMS = {
  REFUSED_ADDRESS = "its address is in a private or special network",
  TIMEOUT = "it did not answer in time",
  TOO_LARGE = ("its answer has more than %d bytes"):format(ANSWER_MAX),
  TLS = "its certificate does not hold",
  BUSY = "too many requests are under way",
  NO_TURN = "too many requests of yours are under way",
  INVALID = "this is no request that can be made",
}

-- What is wrong with a header, or nil.
local function header_problem(name, value)
  if #name > 100 or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then
    return "must have names of headers"
  elseif RESERVED[name:lower()] then
    return ("cannot set %s"):format(name)
  elseif type(value) ~= "string" or #value > HEADER_MAX or value:find("[%c\127]") then
    return ("must have text of one line and at most %d bytes for %s"):format(HEADER_MAX, name)
  end
end

local function check_options(options, problem)
  local count = 0
  for name, value in pairs(options.headers or {}) do
    count = count + 1
    local wrong = header_problem(name, value)
    if wrong then
      problem("headers", "format", wrong)
    end
  end
  if count > HEADERS_MAX then
    problem("headers", "length", ("must be at most %d"):format(HEADERS_MAX))
  end
  if options.body ~= nil and options.json ~= nil then
    problem("json", "conflict", "and body exclude each other")
  end
  if (options.body ~= nil or options.json ~= nil)
    and (options.method == "GET" or options.method == "HEAD") then
    problem("method", "conflict", "takes no body")
  end
end

local ARGUMENTS = s.object({
  url = s.string({ min = 1, max = 2048 }),
  options = s.object({
    method = s.enum({ default = "GET", unpack(METHODS) }),
    headers = s.map({ optional = true }),
    body = s.string({ max = BODY_MAX, optional = true }),
    json = s.any({ optional = true }),
    timeout = s.number({ min = 0.1, max = TIMEOUT_MAX_S, default = TIMEOUT_S,
      describe = "seconds" }),
  }, { check = check_options, default = { method = "GET", timeout = TIMEOUT_S } }),
})

local function refuse(message)
  errors.raise("FORBIDDEN", "http.fetch: " .. message)
end

local function allowed_hosts(ctx)
  local settings = ctx:require_tenant().settings.scripts
  return type(settings) == "table" and settings.allowedHosts or {}
end

-- With which policy an address may be asked; raises when the tenant has not named it.
local function policy_for(ctx, url)
  local is_named, names_port = urls.is_named(url, allowed_hosts(ctx))
  if not is_named then
    refuse(("'%s:%d' is not in the settings' scripts.allowedHosts"):format(url.host, url.port))
  end
  local reaches_private = names_port and config.get().http.allow_private
  return { allow = reaches_private and { url.host .. ":" .. url.port } or nil }
end

local function fail(url, err)
  errors.raise("FETCH_FAILED", ("http.fetch: %s:%d: %s"):format(url.host, url.port,
    PROBLEMS[err.code] or "it cannot be reached"), { status = 422 })
end

local function headers_of(options, key)
  local headers, has_key, has_type = {}, false, false
  for name, value in pairs(options.headers or {}) do
    headers[name] = value
    has_key = has_key or name:lower() == KEY_HEADER:lower()
    has_type = has_type or name:lower() == "content-type"
  end
  headers[KEY_HEADER] = not has_key and key or headers[KEY_HEADER]
  if options.json ~= nil and not has_type then
    headers["Content-Type"] = "application/json"
  end
  return headers
end

local function body_of(options)
  if options.json == nil then
    return options.body
  end
  local body = json.encode(options.json)
  if #body > BODY_MAX then
    errors.validation({ { field = "options.json", code = "length",
      message = ("must have at most %d bytes"):format(BODY_MAX) } })
  end
  return body
end

-- The run ends here: its time is over, which is no fault of the server that is asked.
local function end_run()
  local err = errors.new("LIMIT_WALL", "http.fetch: the time of the run is over", { status = 422 })
  err.is_late = true
  error(err, 0)
end

-- One request, in the time that it is given and that the run has left.
local function ask_once(url, request, call)
  local left_ms = math.floor(call.until_ms - time.monotonic_ms())
  if left_ms < 1 then
    end_run()
  end
  local timeout_ms = request.timeout_ms
  request.timeout_ms = math.min(timeout_ms, left_ms)
  local answer, err = http_client.request(request)
  request.timeout_ms = timeout_ms
  if not answer and err.code == "TIMEOUT" and left_ms < timeout_ms then
    end_run()
  end
  return answer or fail(url, err)
end

-- Follows redirects of what only reads. Another server gets none of the author's headers.
local function ask(ctx, url, request, call, hops)
  request.url = urls.text(url)
  request.policy = policy_for(ctx, url)
  local answer = ask_once(url, request, call)
  local location = REDIRECTS[answer.status] and answer.headers.location
  local reads = request.method == "GET" or request.method == "HEAD"
  if not location or not reads then
    return answer
  elseif hops == 0 then
    refuse("it leads on and on")
  end
  local target = urls.follow(url, location)
  if not target then
    refuse("it leads to what is no address")
  end
  if target.host ~= url.host or target.port ~= url.port or target.scheme ~= url.scheme then
    request.headers = {}
  end
  return ask(ctx, target, request, call, hops - 1)
end

local function shown(answer)
  if not text.is_utf8(answer.body or "") then
    errors.raise("FETCH_FAILED", "http.fetch: the answer is no text", { status = 422 })
  end
  local made = { status = answer.status, headers = {}, body = answer.body or "" }
  for name, value in pairs(answer.headers) do
    if #value <= HEADER_MAX and text.is_utf8(value) then
      made.headers[name] = value
    end
  end
  made.headers = json.object(made.headers)
  if #json.encode(made) > ANSWER_JSON_MAX then
    errors.raise("FETCH_FAILED", "http.fetch: the answer is too large", { status = 422 })
  end
  return made
end

-- How long a call may wait for its turn.
local function wait_of(call)
  local over_ms = call.limits.wall_ms * (1 - WAIT_SHARE)
  return math.max(call.until_ms - over_ms - time.monotonic_ms(), 0)
end

local function fetch_now(ctx, url, options, call)
  return shown(ask(ctx, url, {
    ctx = ctx,
    method = options.method,
    headers = headers_of(options, call.key),
    body = body_of(options),
    timeout_ms = math.floor(options.timeout * 1000),
    max_bytes = ANSWER_MAX,
  }, call, REDIRECTS_MAX))
end

local function fetch(ctx, arguments, call)
  local url = urls.read(arguments.url)
  if not url then
    errors.validation({ { field = "url", code = "format", message =
      "must be an http or https address with the name of a host" } })
  end
  policy_for(ctx, url) -- what is not allowed need not wait
  local came, answer = turns.run(("fetch %s %s"):format(ctx.tenant.id, call.limits.class),
    call.limits.fetches_at_once, wait_of(call), fetch_now, ctx, url, arguments.options, call)
  return came and answer or fail(url, { code = "NO_TURN" })
end

return {
  {
    -- {status, headers, body}. At least once: a repeat has the same Idempotency-Key.
    name = "http.fetch", outside = true, parameters = { "url", "options" },
    arguments = ARGUMENTS, run = fetch,
    made_up = function()
      return { status = 200, headers = json.object({}), body = "{}" }
    end,
  },
}
