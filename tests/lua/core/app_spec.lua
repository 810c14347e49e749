-- The way of a request, with a request made of a table instead of a socket.

local app = require("core.app")
local errors = require("core.errors")
local host_log = require("host.log")
local json = require("core.json")
local registry = require("core.registry")
local reply = require("core.reply")
local s = require("core.schema")
local uuid = require("core.uuid")

local TENANT = {
  id = "0192f1a4-7c3e-7000-8000-00000000000a", slug = "riverton", tier = "enterprise",
}

-- In the order in which core.app gives the values.
local FIELDS = { "X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
  "Content-Type", "Location", "ETag" }

local function fake_request(options)
  local headers = options.headers or {}
  if options.body then
    headers["content-type"] = headers["content-type"] or "application/json"
  end
  local req = {}
  function req.head()
    return options.method or "GET", options.path, options.query or "", "192.0.2.1",
      headers.traceparent
  end
  local id = headers["x-request-id"] or uuid.v7()
  function req.id() return id end
  function req.trace() return (id:gsub("-", "")) end
  function req.agent() return headers["user-agent"] end
  function req.header(_, name) return headers[name] end
  function req.has_body() return options.body ~= nil end
  function req.responded() return req.status ~= nil end
  function req.body(_, limit)
    if #options.body > limit then
      return nil, { code = "TOO_LARGE", message = "the body is too large" }
    end
    return options.body
  end
  function req.respond(_, status, more, body, frame, ...)
    assert(not req.status, "answered twice")
    req.status, req.headers, req.text, req.frame = status, {}, body, frame
    for name, value in pairs(more or {}) do
      req.headers[name] = value
    end
    for i, name in ipairs(FIELDS) do
      local value = select(i, ...)
      if value == true then
        value = id
      end
      if value ~= nil then
        req.headers[name] = tostring(value)
      end
    end
  end
  return req
end

local function ask(options)
  local req = fake_request(options)
  app.request(req)
  local data = req.text ~= "" and json.decode(req.text) or nil
  return req.status, data, req.headers, req.frame
end

local function route(fields)
  local defaults = {
    base = "/api/v1", summary = "x", rate = "open", permissions = { fields.permission or "public" },
    tenant = false, module = "spec", where = "spec",
    handler = function(_, input)
      return reply.ok(input)
    end,
  }
  for name, value in pairs(fields) do
    defaults[name] = value
  end
  return defaults
end

describe("a request", function()
  local known_hooks, known_routes = registry.hooks, registry.routes
  local called

  setup(function()
    registry.hooks = {}
    registry.hooks.authenticate = function(ctx)
      local token = ctx.req:header("authorization")
      if token == "bad" then
        errors.raise("UNAUTHORIZED", "no")
      elseif token then
        ctx.actor = { kind = "user", user_id = "u", permissions = { ["things." .. token] = true } }
      end
    end
    registry.hooks.resolve_tenant = function(ctx, body)
      local slug = ctx.req:header("x-tenant") or body and body.tenant
      if slug == "riverton" then
        ctx.tenant = TENANT
      elseif slug then
        errors.raise("UNKNOWN_TENANT", "no such tenant")
      end
    end
    registry.routes = {
      route({ method = "GET", path = "/things/:id" }),
      route({ method = "GET", path = "/described/:id/:part", params = s.object({
        id = s.string({ format = "uuid" }), part = s.string({ format = "uuid" }) }) }),
      route({ method = "GET", path = "/numbered/:id/:n", params = s.object({
        id = s.string({ format = "uuid" }), n = s.integer({ min = 1 }) }) }),
      route({ method = "GET", path = "/things", query = s.object({
        limit = s.integer({ min = 1, max = 100, default = 20 }) }) }),
      route({ method = "POST", path = "/things", permission = "things.create",
        body = s.object({ title = s.string({ min = 3 }) }) }),
      route({ method = "POST", path = "/tenant", tenant = true, body = s.object({
        tenant = s.string({ optional = true }) }), handler = function(ctx)
        return reply.created("/api/v1/x", { slug = ctx.tenant.slug })
      end }),
      route({ method = "GET", path = "/mine", permission = "user", tenant = true }),
      route({ method = "GET", path = "/crash", handler = function()
        error("secret detail of a crash")
      end }),
      route({ method = "GET", path = "/busy", handler = function()
        errors.check(nil, { code = "UNAVAILABLE", message = "secret address" })
      end }),
      route({ method = "GET", path = "/later", handler = function()
        errors.raise("SERVICE_UNAVAILABLE", "not now")
      end }),
      route({ method = "GET", path = "/tagged", handler = function()
        called = true
        return reply.ok({ a = 1 }, { etag = "v1" })
      end }),
      route({ method = "PUT", path = "/tagged", handler = function(ctx)
        reply.require_match(ctx, "v1")
        return reply.ok(nil)
      end }),
      route({ method = "GET", path = "/old", deprecated = { since = "2026-01-01",
        sunset = "2027-06-30T12:00:00Z", link = "https://docs.example/v2" } }),
      route({ method = "GET", path = "/older", deprecated = { since = "2025-12-31" } }),
      route({ method = "GET", path = "/things", base = "/api/v2", handler = function()
        return reply.ok("of v2")
      end }),
    }
    app.build()
  end)

  teardown(function()
    registry.hooks, registry.routes = known_hooks, known_routes
  end)

  it("gets its answer in the envelope with a request id", function()
    local status, data, headers, frame = ask({ path = "/api/v1/things" })
    assert.equal(200, status)
    assert.is_true(data.success)
    assert.equal(20, data.data.query.limit)
    assert.matches("^[%x-]+$", headers["X-Request-Id"])
    assert.equal("userdata", type(frame))
  end)

  it("is told that its route is to go, also by an error", function()
    for _, query in ipairs({ "", "nonsense=1" }) do
      local status, _, headers = ask({ path = "/api/v1/old", query = query })
      assert.equal(query == "" and 200 or 400, status)
      assert.equal("@1767225600", headers["Deprecation"])
      assert.equal("Wed, 30 Jun 2027 12:00:00 GMT", headers["Sunset"])
      assert.equal('<https://docs.example/v2>; rel="deprecation"', headers["Link"])
    end
    local _, _, headers = ask({ path = "/api/v1/older" })
    assert.equal("@1767139200", headers["Deprecation"])
    assert.is_nil(headers["Sunset"])
    assert.is_nil(headers["Link"])
    _, _, headers = ask({ path = "/api/v1/things" })
    assert.is_nil(headers["Deprecation"])
  end)

  it("reaches another version of the API beside the first", function()
    local status, data = ask({ path = "/api/v2/things" })
    assert.equal(200, status)
    assert.equal("of v2", data.data)
    assert.equal(400, (ask({ path = "/api/v2/things", query = "nonsense=1" })))
    assert.equal(404, (ask({ path = "/api/v2/mine" })))
  end)

  it("answers by the name of the request", function()
    local asked = { path = "/api/v1/nothing", headers = { ["x-request-id"] = "abc-1" } }
    local _, data, headers = ask(asked)
    assert.equal("abc-1", headers["X-Request-Id"])
    assert.equal("abc-1", data.error.requestId)
  end)

  it("finds nothing, or another method", function()
    local status, data = ask({ path = "/api/v1/nothing" })
    assert.equal(404, status)
    assert.equal("NOT_FOUND", data.error.code)
    assert.is_string(data.error.requestId)
    local headers
    status, data, headers = ask({ path = "/api/v1/things", method = "DELETE" })
    assert.equal(405, status)
    assert.equal("METHOD_NOT_ALLOWED", data.error.code)
    assert.equal("GET, HEAD, OPTIONS, POST", headers.Allow)
  end)

  it("answers HEAD and OPTIONS by itself", function()
    assert.equal(200, (ask({ path = "/api/v1/things", method = "HEAD" })))
    local status, _, headers = ask({ path = "/api/v1/things", method = "OPTIONS" })
    assert.equal(204, status)
    assert.equal("GET, HEAD, OPTIONS, POST", headers.Allow)
  end)

  it("is told of a malformed id as of an absent one", function()
    assert.equal(404, (ask({ path = "/api/v1/things/17" })))
    assert.equal(404, (ask({ path = "/api/v1/things/%zz" })))
    local status, data = ask({ path = "/api/v1/things/0192F1A4-7C3E-7000-8000-0123456789AB" })
    assert.equal(200, status)
    assert.equal("0192f1a4-7c3e-7000-8000-0123456789ab", data.data.params.id)
  end)

  it("has ids read as a schema says that describes them", function()
    local upper, escaped = "0192F1A4-7C3E-7000-8000-0123456789AB", "0192f1a4-7c3e-7000-8000%2D0123456789ab"
    local status, data = ask({ path = "/api/v1/described/" .. upper .. "/" .. escaped })
    assert.equal(200, status)
    assert.same({ id = upper:lower(), part = upper:lower() }, data.data.params)
    assert.equal(404, (ask({ path = "/api/v1/described/" .. upper .. "/17" })))
    assert.equal(404, (ask({ path = "/api/v1/described/%zz/" .. upper })))
    assert.equal(404, (ask({ path = "/api/v1/described/%C3%28/" .. upper })))
    status, data = ask({ path = "/api/v1/numbered/" .. upper .. "/7" })
    assert.equal(200, status)
    assert.same({ id = upper:lower(), n = 7 }, data.data.params)
    assert.equal(404, (ask({ path = "/api/v1/numbered/" .. upper .. "/0" })))
    assert.equal(404, (ask({ path = "/api/v1/numbered/17/7" })))
  end)

  it("is refused with all its faults", function()
    local status, data = ask({ path = "/api/v1/things", query = "limit=0&colour=red" })
    assert.equal(400, status)
    assert.equal("VALIDATION_ERROR", data.error.code)
    assert.equal(2, #data.error.details)
  end)

  it("signs in, then is allowed, then is looked at", function()
    local bad = { path = "/api/v1/things", method = "POST", body = "{}" }
    assert.equal(401, (ask(bad)))
    bad.headers = { authorization = "read" }
    assert.equal(403, (ask(bad)))
    bad.headers = { authorization = "create" }
    assert.equal(400, (ask(bad)))
    bad.headers = { authorization = "bad" }
    assert.equal(401, (ask(bad)))
  end)

  it("is told how to sign in, and when to come back, whoever refuses it", function()
    local refused = { path = "/api/v1/things", method = "POST", body = "{}" }
    for _, authorization in ipairs({ false, "bad" }) do
      refused.headers = { authorization = authorization or nil }
      local status, _, headers = ask(refused)
      assert.same({ 401, "Bearer" }, { status, headers["WWW-Authenticate"] })
    end
    for _, path in ipairs({ "/api/v1/busy", "/api/v1/later" }) do
      local status, _, headers = ask({ path = path })
      assert.same({ 503, "1" }, { status, headers["Retry-After"] })
    end
  end)

  it("sends JSON that can be read", function()
    local function send(body, content_type)
      return ask({ path = "/api/v1/things", method = "POST", body = body,
        headers = { authorization = "create", ["content-type"] = content_type } })
    end
    assert.equal(200, (send('{"title":"Hole"}')))
    assert.equal(200, (send('{"title":"Hole"}', "application/json; charset=utf-8")))
    local status, data = send('{"title":')
    assert.equal(400, status)
    assert.equal("INVALID_JSON", data.error.code)
    assert.equal(9, data.error.details[1].offset)
    assert.equal(415, (send("title=Hole", "application/x-www-form-urlencoded")))
    for coding, expected in pairs({ gzip = 415, ["x-unknown"] = 415, Identity = 200 }) do
      local found, _, headers = ask({ path = "/api/v1/things", method = "POST",
        body = '{"title":"Hole"}', headers = { authorization = "create", ["content-encoding"] = coding } })
      assert.equal(expected, found)
      assert.equal(found == 415 and "identity" or nil, headers["Accept-Encoding"])
    end
    assert.equal(413, (send('{"title":"' .. ("x"):rep(1100000) .. '"}')))
    assert.equal(400, (send("[]")))
    assert.equal(400, (send(("["):rep(40) .. ("]"):rep(40))))
  end)

  it("names its tenant by header or body, where one is needed", function()
    local function send(body, tenant)
      return ask({ path = "/api/v1/tenant", method = "POST", body = body,
        headers = { ["x-tenant"] = tenant } })
    end
    local status, data, headers = send("{}", "riverton")
    assert.equal(201, status)
    assert.equal("riverton", data.data.slug)
    assert.equal("/api/v1/x", headers.Location)
    assert.equal(201, (send('{"tenant":"riverton"}')))
    assert.equal("TENANT_REQUIRED", select(2, send("{}")).error.code)
    status, data = send("{}", "atlantis")
    assert.equal(404, status)
    assert.equal("UNKNOWN_TENANT", data.error.code)
    assert.equal(401, (ask({ path = "/api/v1/mine" })))
  end)

  it("learns nothing of a crash or of what is down; the log does", function()
    local logged = {}
    stub(host_log, "write", function(_, _, fields)
      logged[#logged + 1] = fields
    end)
    finally(function()
      host_log.write:revert()
    end)
    local status, data = ask({ path = "/api/v1/crash" })
    assert.matches("secret detail of a crash", logged[1], 1, true)
    assert.matches("app_spec.lua", logged[1], 1, true)
    assert.equal(500, status)
    assert.equal("INTERNAL", data.error.code)
    assert.is_nil(json.encode(data):find("secret", 1, true))
    local headers
    status, data, headers = ask({ path = "/api/v1/busy" })
    assert.equal(503, status)
    assert.equal("1", headers["Retry-After"])
    assert.is_nil(json.encode(data):find("secret", 1, true))
  end)

  it("is spared what it has, and does not overwrite what it has not seen", function()
    local status, _, headers = ask({ path = "/api/v1/tagged" })
    assert.equal(200, status)
    assert.equal('"v1"', headers.ETag)
    for _, tag in ipairs({ '"v1"', 'W/"v1"', '"v0", "v1"', "*" }) do
      assert.equal(304, (ask({ path = "/api/v1/tagged", headers = { ["if-none-match"] = tag } })))
    end
    assert.equal(200, (ask({ path = "/api/v1/tagged", headers = { ["if-none-match"] = '"v2"' } })))
    local stale = { path = "/api/v1/tagged", method = "PUT", headers = { ["if-match"] = '"v0"' } }
    assert.equal(412, (ask(stale)))
    stale.headers["if-match"] = '"v1"'
    assert.equal(200, (ask(stale)))
    assert.is_true(called)
  end)
end)
