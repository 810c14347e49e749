local config = require("core.config")

local function load(environ, ...)
  return config.load({ ... }, environ)
end

local function problems(environ, ...)
  local values, list = load(environ, ...)
  assert.is_nil(values)
  return table.concat(list, "\n")
end

local PRODUCTION = {
  FIXXIT_ENV = "production", JWT_SECRET = ("s"):rep(32),
  DATABASE_URL = "mysql://app:p%40ss@db.example:3307/city",
}

describe("the configuration", function()
  it("uses private servers in the data folder while developing", function()
    local values = load({ FIXXIT_DATA = "/tmp/x" }, "serve")
    assert.equal("development", values.env)
    assert.equal("127.0.0.1", values.http.address)
    assert.equal("/tmp/x/run/mariadb.sock", values.db.socket)
    assert.equal("/tmp/x/run/redis.sock", values.redis.socket)
    assert.equal("/tmp/x/run/image.sock", values.image.socket)
  end)

  it("gives a request the time that the specification says", function()
    local http = load({}, "serve").http
    assert.same({ 10000, 30000, 75000 },
      { http.header_timeout_ms, http.request_timeout_ms, http.keepalive_timeout_ms })
  end)

  it("makes the data folder absolute", function()
    assert.matches("^/.+/somewhere$", load({}, "serve", "--data", "somewhere").server.data)
    assert.matches("^/.+/somewhere$", load({}, "serve", "--data=./somewhere/").server.data)
  end)

  it("lets flags go over the environment", function()
    assert.equal(8000, load({ PORT = "8000" }, "serve").http.port)
    assert.equal(9000, load({ PORT = "8000" }, "serve", "--port", "9000").http.port)
  end)

  it("knows the words of the commands that the host answers", function()
    for _, command in ipairs({ "serve", "reload", "status" }) do
      for _, word in ipairs({ "--prot", "--prot=80", "extra", "-p", "" }) do
        assert.matches(word .. ": is no option of fixxit " .. command,
          problems({}, command, "--port", "80", word), 1, true)
      end
      assert.truthy(load({}, command, "--port", "80", "--env=test", "--json"))
    end
    assert.truthy(load({}, "test", "tests/lua", "--filter", "x"))
  end)

  it("takes the mail server and the pages by the names that operators know", function()
    local values = load({ SMTP_HOST = "smtp.example", SMTP_PORT = "465", SMTP_USER = "u",
      SMTP_PASS = "p", EMAIL_FROM = "city@x.example", EMAIL_FROM_NAME = "City",
      FRONTEND_URL = "https://app.example/,https://b.example" }, "serve")
    assert.same({ "smtp.example", 465, "u", "p", "city@x.example", "City" }, { values.mail.host,
      values.mail.port, values.mail.user, values.mail.password, values.mail.from,
      values.mail.from_name })
    assert.equal("https://app.example", values.http.frontend_url)
    assert.same({ "https://app.example", "https://b.example" }, values.cors.origins)
    assert.equal("http://127.0.0.1:8080", load({}, "serve").http.frontend_url)
    local relayed = load({ SENDGRID_API_KEY = "key" }, "serve").mail
    assert.same({ "smtp.sendgrid.net", "apikey", "key" },
      { relayed.host, relayed.user, relayed.password })
  end)

  it("takes names that operators know", function()
    local values = load(PRODUCTION, "serve")
    assert.equal("db.example", values.db.host)
    assert.equal(3307, values.db.port)
    assert.equal("app", values.db.user)
    assert.equal("p@ss", values.db.password)
    assert.equal("city", values.db.name)
    assert.equal("", values.db.socket)
    assert.equal("json", values.log.format)
  end)

  it("takes the names of rate limits", function()
    local limits = load({ RATE_LIMIT_WINDOW_MS = "60000", RATE_LIMIT_MAX_REQUESTS = "30" }, "serve").limits
    assert.equal(60000, limits.window_ms)
    assert.equal(30, limits.free_per_window)
    assert.equal(1000, limits.pro_per_window)
  end)

  it("reads durations and lists", function()
    local values = load({ JWT_EXPIRES_IN = "15m", REFRESH_TOKEN_EXPIRES_IN = "7d",
      FRONTEND_URL = "https://a.example/, https://b.example",
      SOCKET_CORS_ORIGIN = "https://c.example" })
    assert.equal(900, values.auth.access_ttl_s)
    assert.equal(604800, values.auth.refresh_ttl_s)
    table.sort(values.cors.origins)
    assert.same({ "https://a.example", "https://b.example", "https://c.example" },
      values.cors.origins)
  end)

  it("reads addresses of Redis", function()
    local values = load({ REDIS_URL = "redis://:secret@10.0.0.5:6380/2" })
    assert.equal("10.0.0.5", values.redis.host)
    assert.equal(6380, values.redis.port)
    assert.equal("secret", values.redis.password)
    assert.equal(2, values.redis.db)
  end)

  it("tells all mistakes at once, by name", function()
    local text = problems({ PORT = "eighty", FIXXIT_HTTP_COLOUR = "red", LOG_LEVEL = "loud" })
    assert.matches("http.port: must be a whole number", text, 1, true)
    assert.matches("FIXXIT_HTTP_COLOUR: no such setting", text, 1, true)
    assert.matches("log.level: must be one of", text, 1, true)
  end)

  it("does not start in production without a secret and a database", function()
    assert.matches("auth.secret", problems({ FIXXIT_ENV = "production" }), 1, true)
    local text = problems({ FIXXIT_ENV = "production",
      JWT_SECRET = "development-secret-that-production-refuses" })
    assert.matches("auth.secret: is the built-in one", text, 1, true)
    assert.matches("db.host: is required", text, 1, true)
  end)

  it("lets production collect garbage at its own pace", function()
    local text = problems({ FIXXIT_ENV = "production",
      JWT_SECRET = ("x"):rep(32), FIXXIT_LUA_COLLECT_ALWAYS = "true" })
    assert.matches("lua.collect_always: is for tests only", text, 1, true)
    assert.is_true(load({ FIXXIT_LUA_COLLECT_ALWAYS = "true" }).lua.collect_always)
  end)

  it("refuses an unknown environment", function()
    assert.matches("env: must be one of", problems({}, "serve", "--env", "staging"), 1, true)
  end)

  it("trusts networks only, and somebody where it wants a PROXY header", function()
    local values = load({ FIXXIT_HTTP_TRUSTED_PROXIES = "unix, 10.0.0.0/8, fd00::/8" }, "serve")
    assert.same({ "unix", "10.0.0.0/8", "fd00::/8" }, { unpack(values.http.trusted_proxies) })
    assert.matches("http.trusted_proxies: proxy.example is", problems({ FIXXIT_HTTP_TRUSTED_PROXIES = "proxy.example" }))
    assert.matches("http.trusted_proxies: 10.0.0.0/x is", problems({ FIXXIT_HTTP_TRUSTED_PROXIES = "10.0.0.0/x" }))
    assert.matches("http.proxy_protocol: needs", problems({ FIXXIT_HTTP_PROXY_PROTOCOL = "tcp" }))
  end)

  it("wants a certificate and its key, both readable", function()
    local path = os.tmpname()
    local values = load({ FIXXIT_HTTP_TLS_CERTIFICATE = path, FIXXIT_HTTP_TLS_KEY = path }, "serve")
    assert.equal(path, values.http.tls_key)
    assert.matches("http.tls_key: goes with", problems({ FIXXIT_HTTP_TLS_CERTIFICATE = path }))
    assert.matches("http.tls_key: /nowhere: No such file", problems({
      FIXXIT_HTTP_TLS_CERTIFICATE = path, FIXXIT_HTTP_TLS_KEY = "/nowhere",
    }))
    assert.matches("not possible together with TLS", problems({
      FIXXIT_HTTP_TLS_CERTIFICATE = path, FIXXIT_HTTP_TLS_KEY = path,
      FIXXIT_HTTP_TRUSTED_PROXIES = "10.0.0.0/8", FIXXIT_HTTP_PROXY_PROTOCOL = "tcp",
    }))
    os.remove(path)
  end)

  it("says when a socket's path is too long", function()
    assert.matches("shorter data folder", problems({ FIXXIT_DATA = "/tmp/" .. ("x"):rep(100) }), 1,
      true)
  end)
end)
