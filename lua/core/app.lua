-- The way of a request: request id -> route -> who -> which tenant -> rate limit -> permission ->
-- input -> handler (once per Idempotency-Key) -> envelope. Every error leaves through `fail`.
--
-- Everything that depends on a route alone is compiled when the generation is built.

local conditions = require("core.conditions")
local config = require("core.config")
local context = require("core.context")
local deprecation = require("core.deprecation")
local envelope = require("core.envelope")
local errors = require("core.errors")
local http = require("host.http")
local idempotency = require("core.idempotency")
local input = require("core.input")
local log = require("core.log")
local rate_limit = require("core.rate_limit")
local registry = require("core.registry")
local reply = require("core.reply")
local request_metrics = require("core.request_metrics")
local router = require("core.router")
local static = require("core.static")
local trace = require("core.trace")

local M = {}

local SWITCHED = 101 -- a WebSocket: its handler answered itself
local PREFLIGHT_MAX_AGE_S = "600"
local EXPOSED = "X-Request-Id, Location, ETag, Retry-After, RateLimit-Limit, RateLimit-Remaining, "
  .. "RateLimit-Reset, Idempotent-Replayed, Deprecation, Sunset, Link, Content-Disposition, "
  .. "Content-Range"
local ALLOWED_HEADERS = "Authorization, Content-Type, X-API-Key, X-Tenant, X-Request-Id, "
  .. "X-CSRF-Token, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Tracking-Code, "
  .. "traceparent"

-- What most answers have, in the order in which `respond` gives the values.
local FIELDS = { "X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
  "Content-Type", "Location", "ETag" }

-- What helmet sends by default; a reply's own headers go over it.
local SECURITY_HEADERS = {
  ["Content-Security-Policy"] = "default-src 'self';base-uri 'self';font-src 'self' https: data:;"
    .. "form-action 'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';"
    .. "script-src 'self';script-src-attr 'none';style-src 'self' https: 'unsafe-inline';"
    .. "upgrade-insecure-requests",
  ["Cross-Origin-Opener-Policy"] = "same-origin",
  ["Cross-Origin-Resource-Policy"] = "same-origin",
  ["Origin-Agent-Cluster"] = "?1",
  ["Referrer-Policy"] = "no-referrer",
  ["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains",
  ["X-Content-Type-Options"] = "nosniff",
  ["X-DNS-Prefetch-Control"] = "off",
  ["X-Download-Options"] = "noopen",
  ["X-Frame-Options"] = "SAMEORIGIN",
  ["X-Permitted-Cross-Domain-Policies"] = "none",
  ["X-XSS-Protection"] = "0",
}

-- Set by M.build; `varies` when any origin is listed. The frame is the security headers as lines,
-- and FIELDS.
local routes, origins, varies, frame

local function new_context(req)
  local method, path, query, ip, parent = req:head()
  local fields = {
    method = method,
    path = path,
    query = query,
    ip = ip,
    req = req,
    -- Set for every request: the table has room for them, and need not grow.
    actor = false, route = false, status = false, rate_limit = false, rate_remaining = false,
    rate_reset_ms = false,
  }
  if parent then
    fields.trace = trace.read(parent)
    fields.trace_id = fields.trace.id
  end
  return context.of_request(fields)
end

local function add_all(headers, more)
  for name, value in pairs(more) do
    headers[name] = value
  end
end

-- What an answer has beside security and FIELDS: CORS, then the route's, then its own. Most have
-- no more than their own, and get those: only `mixed` may be written to.
local function mixed(ctx, extra)
  local headers = { ["Vary"] = varies and "Origin" or nil }
  local origin = varies and ctx.req:header("origin")
  if origin and origins[origin] then
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Allow-Credentials"] = "true"
    headers["Access-Control-Expose-Headers"] = EXPOSED
  end
  local route = ctx.route
  if route and route.headers then
    add_all(headers, route.headers)
  end
  if ctx.headers then
    add_all(headers, ctx.headers)
  end
  if extra then
    add_all(headers, extra)
  end
  return headers
end

local function more_headers(ctx, extra)
  local route = ctx.route
  if varies or rawget(ctx, "headers") or route and route.headers then
    return mixed(ctx, extra)
  end
  return extra
end

-- All headers, for who does not answer by `respond`.
local function all_headers(ctx, extra)
  local headers = mixed(ctx, extra)
  local limit, remaining, reset_s = rate_limit.standing(ctx)
  headers["X-Request-Id"] = ctx.request_id
  headers["RateLimit-Limit"] = ("%d"):format(limit)
  headers["RateLimit-Remaining"] = ("%d"):format(remaining)
  headers["RateLimit-Reset"] = ("%d"):format(reset_s)
  for name, value in pairs(SECURITY_HEADERS) do
    headers[name] = headers[name] or value
  end
  return headers
end

-- @param headers of more_headers
-- @param content_type, location, etag each may be nil
local function respond(ctx, status, headers, body, content_type, location, etag)
  local limit, remaining, reset_s = rate_limit.standing(ctx)
  ctx.status = status
  ctx.req:respond(status, headers, body, frame, true, limit, remaining, reset_s,
    content_type, location, etag)
end

local function fail(ctx, err)
  if err.status >= 500 and err.code ~= "SERVICE_UNAVAILABLE" and not err.is_expected then
    log.error(ctx, "request failed", {
      method = ctx.method, path = ctx.path, code = err.code, cause = err.cause or err.message,
      traceback = err.traceback,
    })
  elseif err.cause then
    log.warn(ctx, "request refused", { code = err.code, cause = err.cause })
  end
  if ctx.req:responded() then
    return
  end
  respond(ctx, err.status, more_headers(ctx, err.headers),
    envelope.failure(err, ctx.request_id), envelope.TYPE)
end

local function quoted(etag)
  return '"' .. etag .. '"'
end

local function disposition(file)
  local ascii = file.name:gsub('[^%w .,_()-]', "_")
  local encoded = file.name:gsub("[^%w._-]", function(c)
    return ("%%%02X"):format(c:byte())
  end)
  return ('%s; filename="%s"; filename*=UTF-8\'\'%s'):format(file.disposition or "inline", ascii,
    encoded)
end

local function send_file(ctx, answer)
  local file, headers = answer.file, all_headers(ctx, answer.headers)
  headers["ETag"] = answer.etag and quoted(answer.etag) or headers["ETag"]
  headers["Last-Modified"] = file.modified_ms and conditions.http_date(file.modified_ms)
  headers["Content-Type"] = file.type or "application/octet-stream"
  headers["Accept-Ranges"] = "bytes"
  if file.name then
    headers["Content-Disposition"] = disposition(file)
  end
  local offset, length
  if ctx.method == "GET" and file.size then
    offset, length = conditions.range(ctx.req:header("range"), ctx.req:header("if-range"),
      file.size, answer.etag, file.modified_ms)
  end
  if offset == false then
    errors.raise("RANGE_NOT_SATISFIABLE", "The range lies outside of the file",
      { headers = { ["Content-Range"] = "bytes */" .. file.size } })
  end
  local status = offset and 206 or answer.status
  if offset then
    headers["Content-Range"] = ("bytes %d-%d/%d"):format(offset, offset + length - 1, file.size)
  end
  ctx.status = status
  local sent, err = ctx.req:send_file(status, headers, file.path, offset or 0, length)
  if not sent and err.code == "NOT_FOUND" then
    errors.raise("NOT_FOUND", "There is nothing here")
  end
  errors.check(sent, err)
end

-- What the request's conditions make of the answer: true when that was the answer. A 304 goes by
-- the tag that the client holds, and varies as the 200 would.
local function is_held(ctx, answer)
  local etag, modified_ms = answer.etag, answer.file and answer.file.modified_ms
  if not etag and not modified_ms or answer.status ~= 200
    or ctx.method ~= "GET" and ctx.method ~= "HEAD" then
    return false
  end
  local result, tag = conditions.evaluate(ctx.req, etag, modified_ms)
  if result == "failed" then
    errors.raise("PRECONDITION_FAILED", "There is another version of it")
  elseif result == "held" then
    local headers = mixed(ctx, answer.headers)
    tag = tag or etag
    headers["Last-Modified"] = modified_ms and conditions.http_date(modified_ms)
    headers["Vary"] = (headers["Vary"] and headers["Vary"] .. ", " or "") .. "Accept-Encoding"
    respond(ctx, 304, headers, "", nil, nil, tag and quoted(tag))
    return true
  end
  return false
end

local function send(ctx, answer)
  local kind = answer.kind
  if kind == "none" then
    return
  elseif kind == "own" then
    ctx.status = answer.status
    return answer.write(all_headers(ctx, answer.headers))
  elseif is_held(ctx, answer) then
    return
  elseif kind == "file" then
    return send_file(ctx, answer)
  end
  local headers = more_headers(ctx, answer.headers)
  local etag = answer.etag and quoted(answer.etag)
  if kind == "raw" then
    if headers == answer.headers then
      headers = answer.sealed or headers
    end
    respond(ctx, answer.status, headers, answer.body, nil, nil, etag)
  else
    respond(ctx, answer.status, headers, envelope.success(answer.data, answer.meta),
      envelope.TYPE, answer.location, etag)
  end
end

local function tell_options(ctx, allow)
  local headers = mixed(ctx, { Allow = allow })
  if headers["Access-Control-Allow-Origin"] then
    headers["Access-Control-Allow-Methods"] = allow
    headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
    headers["Access-Control-Max-Age"] = PREFLIGHT_MAX_AGE_S
  end
  respond(ctx, 204, headers, "")
end

local function is_allowed(ctx, permissions)
  local actor = ctx.actor
  for i = 1, #permissions do
    local permission = permissions[i]
    if permission == "public" or permission == "user" or actor.permissions[permission]
      or permission == "platform_admin" and actor.platform_admin then
      return true
    end
  end
  return false
end

local function authenticate(ctx, route)
  local hook = registry.hooks.authenticate
  if hook and route.authenticate ~= false then
    hook(ctx)
  end
  if not route.is_public and ctx.actor.kind == "anonymous" then
    errors.raise("UNAUTHORIZED", "Sign in first")
  end
end

local function resolve_tenant(ctx, route, body)
  local hook = registry.hooks.resolve_tenant
  if hook and route.tenant and not ctx.tenant then
    hook(ctx, body)
  end
end

local function check_permission(ctx, route)
  if ctx.actor.kind == "key" and not route.keys and not route.is_public then
    errors.raise("FORBIDDEN", "An API key may not do this: sign in")
  end
  if not is_allowed(ctx, route.permissions) then
    errors.raise("FORBIDDEN", "You may not do this: it needs "
      .. table.concat(route.permissions, " or "))
  end
end

local function handle(ctx, route, ...)
  return route.handler(ctx, input.read(ctx, route, ...)) or reply.ok(nil)
end

-- Apart from serve_route: a function that holds a closure is not compiled.
local function handle_once(ctx, key, route, values, body, files, body_options)
  return idempotency.run(ctx, key, function()
    return handle(ctx, route, values, body, files, body_options)
  end)
end

-- The body is read before the tenant is known only where the body may name it.
local function serve_route(ctx, route, values)
  ctx.route = route
  authenticate(ctx, route)
  rate_limit.enter(ctx, route)
  resolve_tenant(ctx, route, nil)
  local body, files, body_options
  if route.tenant and not ctx.tenant and route.takes_body then
    body, files, body_options = input.read_body(ctx, route)
    resolve_tenant(ctx, route, type(body) == "table" and body or nil)
  end
  if route.tenant == true then
    ctx:require_tenant()
  end
  if route.enter then
    route.enter(ctx, input.params(route, values))
  end
  rate_limit.enter_tenant(ctx)
  check_permission(ctx, route)
  if route.takes_body and body == nil then
    body, files, body_options = input.read_body(ctx, route)
  end
  local key = idempotency.key(ctx, route)
  send(ctx, key and handle_once(ctx, key, route, values, body, files, body_options)
    or handle(ctx, route, values, body, files, body_options))
end

local function refuse_method(ctx, allow)
  errors.raise("METHOD_NOT_ALLOWED", ctx.method .. " is not possible here",
    { headers = { Allow = allow } })
end

local function serve_page(ctx)
  local page = static.find(ctx.path)
  if not page then
    errors.raise("NOT_FOUND", "There is nothing here")
  elseif ctx.method == "GET" or ctx.method == "HEAD" then
    send(ctx, page)
  elseif ctx.method == "OPTIONS" then
    tell_options(ctx, static.ALLOW)
  else
    refuse_method(ctx, static.ALLOW)
  end
end

local function serve(ctx)
  local leaf, values = routes:match(ctx.path)
  if not leaf then
    serve_page(ctx)
    return
  end
  local method = ctx.method
  local route = leaf.methods[method] or method == "HEAD" and leaf.methods.GET
  if route then
    serve_route(ctx, route, values)
  elseif method == "OPTIONS" then
    tell_options(ctx, leaf.allow)
  else
    refuse_method(ctx, leaf.allow)
  end
end

--- The entry point of a request; runs in a task of its own.
-- @return what the access log and the metrics tell of it: top of host/lua_http.c
function M.request(req)
  local ctx = new_context(req)
  local ok, err = xpcall(serve, errors.capture, ctx)
  if not ok then
    fail(ctx, err)
  end
  local status, tenant = ctx.status or SWITCHED, rawget(ctx, "tenant")
  local seconds, count = request_metrics.series(ctx.route, status)
  return status, seconds, count, rawget(ctx, "trace_id"), "tenantId", tenant and tenant.id,
    "userId", ctx.actor.user_id
end

local function has_public(permissions)
  for _, permission in ipairs(permissions) do
    if permission == "public" then
      return true
    end
  end
  return false
end

-- What comes with every answer of a route, or nil. Secrets, and errors in their place, are for no
-- cache.
local function headers_of_route(route)
  local headers = route.deprecated and deprecation.headers(route.deprecated)
  if route.secret then
    headers = headers or {}
    headers["Cache-Control"] = "no-store"
  end
  return headers or nil
end

--- Compiles the registry's routes. Raises when two are the same.
function M.build()
  local built = router.new()
  for _, route in ipairs(registry.routes) do
    local ok, names = pcall(built.add, built, route.method, route.base .. route.path, route)
    if not ok then
      error(route.where .. ": " .. names, 0)
    end
    route.is_public = has_public(route.permissions)
    route.headers = headers_of_route(route)
    input.compile(route, names)
  end
  rate_limit.build(registry.routes)
  request_metrics.build(registry.routes)
  routes = built
  origins = {}
  for _, origin in ipairs(config.get().cors.origins) do
    origins[origin] = true
  end
  varies = next(origins) ~= nil
  frame = http.frame(SECURITY_HEADERS, FIELDS)
  http.own_headers(SECURITY_HEADERS)
  static.build()
end

return M
