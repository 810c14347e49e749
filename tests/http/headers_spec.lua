-- What every answer carries: who asked, how it may be shown, who may read it.
local raw_http = require("tests.support.raw_http")
local raw_socket = require("tests.support.raw_socket")
local servers = require("tests.support.server")

local ORIGIN = "https://app.example"

-- Helmet 8 without options.
local HELMET = {
  ["content-security-policy"] = "default-src 'self';base-uri 'self';font-src 'self' https: data:;"
    .. "form-action 'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';"
    .. "script-src 'self';script-src-attr 'none';style-src 'self' https: 'unsafe-inline';"
    .. "upgrade-insecure-requests",
  ["cross-origin-opener-policy"] = "same-origin",
  ["cross-origin-resource-policy"] = "same-origin",
  ["origin-agent-cluster"] = "?1",
  ["referrer-policy"] = "no-referrer",
  ["strict-transport-security"] = "max-age=31536000; includeSubDomains",
  ["x-content-type-options"] = "nosniff",
  ["x-dns-prefetch-control"] = "off",
  ["x-download-options"] = "noopen",
  ["x-frame-options"] = "SAMEORIGIN",
  ["x-permitted-cross-domain-policies"] = "none",
  ["x-xss-protection"] = "0",
}

describe("every answer", function()
  local server, api, dispatcher

  setup(function()
    server = servers.start({ env = { FIXXIT_CORS_ORIGINS = ORIGIN } })
    api = server.api
    dispatcher = api:login("dispatcher@riverton.example")
  end)

  teardown(function()
    server:stop()
  end)

  local function each_kind(check, headers)
    local function page(more)
      for name, value in pairs(headers or {}) do
        more[name] = value
      end
      return api:get("/dashboard/app.js", { root = true, headers = more })
    end
    for what, answer in pairs({
      page = page({}),
      page_held = page({ ["if-none-match"] = "*" }),
      page_changed = page({ ["if-match"] = '"other"' }),
      page_part = page({ range = "bytes=0-3" }),
      page_beyond = page({ range = "bytes=99999999999999999999-" }),
      page_options = api:options("/dashboard", { root = true, headers = headers }),
      no_stream = api:get("/events", { root = true, headers = headers }),
      no_socket = api:get("/ws", { root = true, headers = headers }),
      success = api:get("/users/me", { token = dispatcher.token, headers = headers }),
      invalid = api:get("/users/me?x=1", { token = dispatcher.token, headers = headers }),
      nobody = api:get("/users/me", { headers = headers }),
      absent = api:get("/nothing", { headers = headers }),
      method = api:delete("/users/me", { headers = headers }),
      options = api:options("/users/me", { headers = headers }),
      plain = api:get("/health", { root = true, headers = headers }),
    }) do
      check(what, answer)
    end
  end

  it("has Helmet's headers", function()
    each_kind(function(what, answer)
      for name, value in pairs(HELMET) do
        assert.equal(value, answer.headers[name], what .. " " .. name)
      end
      assert.is_nil(answer.headers["x-powered-by"], what)
      assert.is_nil(answer.headers.server, what)
    end)
  end)

  -- Asks with bytes that no client would send.
  local function ask(...)
    local peer = raw_http.connect(server.port)
    peer:send(table.concat({ ... }, "\r\n") .. "\r\n\r\n")
    local answer = assert(peer:answer())
    peer:close()
    return answer
  end

  it("has both, also when it is the host's own", function()
    local id = ("i"):rep(100)
    local named = "X-Request-Id: " .. id
    for status, answer in pairs({
      [204] = ask("OPTIONS * HTTP/1.1", "Host: x", named),
      [400] = ask("GET / HTTP/1.1", "Host: x", named, "Host: x"),
      [417] = ask("GET / HTTP/1.1", "Host: x", named, "Expect: magic"),
      [431] = ask("GET / HTTP/1.1", "Host: x", named, "X: " .. ("x"):rep(20000)),
      [501] = ask("TRACE / HTTP/1.1", "Host: x", named),
    }) do
      assert.equal(status, answer.status)
      assert.equal(id, answer.headers["x-request-id"])
      for name, value in pairs(HELMET) do
        assert.equal(value, answer.headers[name], status .. " " .. name)
      end
    end
    local made = ask("OPTIONS * HTTP/1.1", "Host: x", named .. "i").headers["x-request-id"]
    assert.equal(36, #made)
  end)

  it("has the request's id, also when it is that of a socket", function()
    local peer = raw_socket.open(server.port, { ["X-Request-Id"] = "caller-1:a.b_C" })
    assert.equal(101, peer.status)
    assert.equal("caller-1:a.b_C", peer.headers["x-request-id"])
    peer:close()
  end)

  it("has the request's id: the caller's when it is sane, or a new one", function()
    each_kind(function(what, answer)
      assert.equal("caller-1:a.b_C", answer.headers["x-request-id"], what)
      local failure = answer.json and answer.json.error
      assert.equal(failure and "caller-1:a.b_C", failure and failure.requestId, what)
    end, { ["x-request-id"] = "caller-1:a.b_C" })
    for _, id in ipairs({ "", "a b", "a\tb", ("x"):rep(101), "é", "a,b", "<script>" }) do
      local given = api:get("/health", { root = true, headers = { ["x-request-id"] = id } })
      assert.matches("^%x+%-%x+%-7%x+%-%x+%-%x+$", given.headers["x-request-id"], nil, id)
    end
  end)

  it("is readable for pages of listed origins, and of no other", function()
    each_kind(function(what, answer)
      assert.equal(ORIGIN, answer.headers["access-control-allow-origin"], what)
      assert.equal("true", answer.headers["access-control-allow-credentials"], what)
      local exposed = answer.headers["access-control-expose-headers"]
      for _, name in ipairs({ "X-Request-Id", "ETag", "Location", "Retry-After", "RateLimit-Reset",
        "Idempotent-Replayed", "Deprecation", "Sunset" }) do
        assert.truthy(exposed:find(name, 1, true), name)
      end
    end, { origin = ORIGIN })
    for _, origin in ipairs({ "https://app.example.evil.example", "http://app.example", "null",
      "https://APP.example", ORIGIN .. ":443", ORIGIN .. "/" }) do
      each_kind(function(what, answer)
        assert.is_nil(answer.headers["access-control-allow-origin"], what .. " " .. origin)
        assert.is_nil(answer.headers["access-control-allow-credentials"], what .. " " .. origin)
      end, { origin = origin })
    end
  end)

  it("varies by origin also for who names none: caches must not mix them up", function()
    each_kind(function(what, answer)
      assert.truthy(answer.headers.vary:find("Origin", 1, true), what)
    end)
  end)

  it("to a preflight says what may be sent", function()
    local answer = api:options("/reports", { headers = { origin = ORIGIN,
      ["access-control-request-method"] = "POST",
      ["access-control-request-headers"] = "idempotency-key" } })
    assert.equal(204, answer.status)
    assert.equal("GET, HEAD, OPTIONS, POST", answer.headers["access-control-allow-methods"])
    for _, name in ipairs({ "Authorization", "Content-Type", "X-API-Key", "X-Tenant", "X-CSRF-Token",
      "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "traceparent" }) do
      assert.truthy(answer.headers["access-control-allow-headers"]:find(name, 1, true), name)
    end
    assert.equal("600", answer.headers["access-control-max-age"])
    local refused = api:options("/reports", { headers = { origin = "https://evil.example" } })
    assert.is_nil(refused.headers["access-control-allow-methods"])
  end)
end)
