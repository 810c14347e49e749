-- Access tokens with keys of two halves: published, rotated without signing anybody out, and held
-- against every known way to forge one.
local servers = require("tests.support.server")
local tokens = require("tests.support.tokens")

local SECRET = "development-secret-that-production-refuses" -- of config/test.lua

for _, alg in ipairs({ "RS256", "ES256" }) do
  describe("a token of " .. alg, function()
    local folder, server, api, private, public, other, token, header, claims

    setup(function()
      folder = os.tmpname()
      servers.shell("rm -f " .. folder .. "; mkdir " .. folder)
      private, public = tokens.new_key(folder .. "/one", alg)
      other = tokens.new_key(folder .. "/other", alg)
      server = servers.start({ env = { FIXXIT_AUTH_ALGORITHM = alg,
        FIXXIT_AUTH_KEYS = "k-1=" .. folder .. "/one.pem" } })
      api = server.api
      token = api:login("owner@riverton.example").token
      header, claims = tokens.read(token)
    end)

    teardown(function()
      server:stop()
      servers.shell("rm -rf " .. folder)
    end)

    local function status(text)
      return api:get("/users/me", { token = text }).status
    end

    it("says by which key it is signed, and the key is published", function()
      assert.same({ alg, "k-1" }, { header.alg, header.kid })
      local answer = api:get("/.well-known/jwks.json", { root = true })
      assert.equal("application/jwk-set+json", answer.headers["content-type"])
      assert.equal(1, #answer.json.keys)
      local key = answer.json.keys[1]
      assert.same({ "k-1", alg, "sig", alg == "RS256" and "RSA" or "EC" },
        { key.kid, key.alg, key.use, key.kty })
      assert.is_nil(key.d)
      assert.is_nil(answer.body:find("PRIVATE", 1, true))
    end)

    it("holds when it is signed as ours are", function()
      assert.equal(200, status(token))
      assert.equal(200, status(tokens.sign(header, claims, alg, private)))
    end)

    -- Who knows the public key, or the secret that the server had before, has no key to sign with.
    local FORGERIES = tokens.copy(tokens.FORGERIES, {
      ["the public key as a shared secret"] = function()
        return tokens.sign(tokens.copy(header, { alg = "HS256" }), claims, "HS256", public)
      end,
      ["a shared secret, said to be a key"] = function()
        return tokens.sign(header, claims, "HS256", public)
      end,
      ["the secret that signs elsewhere"] = function()
        return tokens.sign({ alg = "HS256", typ = "JWT", kid = "k-1" }, claims, "HS256", SECRET)
      end,
      ["another algorithm of the same kind"] = function()
        return tokens.sign(tokens.copy(header, { alg = alg == "RS256" and "RS512" or "ES512" }),
          claims, alg, private)
      end,
    })
    for what, forge in pairs(FORGERIES) do
      it("does not hold with " .. what, function()
        assert.equal(401, status(forge({ token = token, header = header, claims = claims, alg = alg,
          key = private, other = other })))
      end)
    end
  end)
end

describe("a new key", function()
  local folder, server

  setup(function()
    folder = os.tmpname()
    servers.shell("rm -f " .. folder .. "; mkdir " .. folder)
  end)

  teardown(function()
    servers.shell("rm -rf " .. folder)
  end)

  -- Stops the server and starts it on the same data with other settings.
  local function restart(env)
    local data = server.data
    server:stop(true)
    server = servers.start({ env = env, data = data })
  end

  it("signs from then on, and the tokens of the one before still hold", function()
    tokens.new_key(folder .. "/a", "ES256")
    tokens.new_key(folder .. "/b", "ES256")
    server = servers.start({ env = { FIXXIT_AUTH_ALGORITHM = "ES256",
      FIXXIT_AUTH_KEYS = "a=" .. folder .. "/a.pem" } })
    local before = server.api:login("owner@riverton.example")
    -- of the retired key only the public half is left
    restart({ FIXXIT_AUTH_ALGORITHM = "ES256",
      FIXXIT_AUTH_KEYS = ("b=%s/b.pem,a=%s/a.pub.pem"):format(folder, folder) })
    assert.equal(200, server.api:get("/users/me", { token = before.token }).status)
    local after = server.api:login("owner@riverton.example")
    assert.equal("b", tokens.read(after.token).kid)
    assert.equal(2, #server.api:get("/.well-known/jwks.json", { root = true }).json.keys)
    restart({ FIXXIT_AUTH_ALGORITHM = "ES256", FIXXIT_AUTH_KEYS = "b=" .. folder .. "/b.pem" })
    assert.equal(401, server.api:get("/users/me", { token = before.token }).status)
    assert.equal(200, server.api:get("/users/me", { token = after.token }).status)
    assert.equal(200, server.api:post("/auth/refresh", -- nobody was signed out
      { json = { refreshToken = before.refreshToken } }).status)
    server:stop()
  end)

  it("may be a secret", function()
    local one, two = ("s"):rep(40), ("t"):rep(40)
    server = servers.start({ env = { JWT_SECRET = one, FIXXIT_AUTH_DATA_SECRET = SECRET } })
    local before = server.api:login("owner@riverton.example")
    assert.same({}, server.api:get("/.well-known/jwks.json", { root = true }).json.keys)
    restart({ JWT_SECRET = two, FIXXIT_AUTH_PREVIOUS_SECRETS = one, FIXXIT_AUTH_DATA_SECRET = SECRET })
    local after = server.api:login("owner@riverton.example")
    assert.not_equal(tokens.read(before.token).kid, tokens.read(after.token).kid)
    assert.equal(200, server.api:get("/users/me", { token = before.token }).status)
    assert.equal(200, server.api:get("/users/me", { token = after.token }).status)
    server:stop()
  end)

  it("that cannot be used keeps the server from starting, and says why", function()
    tokens.new_key(folder .. "/rsa", "RS256")
    servers.shell("echo no key > " .. folder .. "/text.pem")
    server = servers.start() -- whose databases the others have
    for keys, message in pairs({ [""] = "must be a private key", ["a"] = "is not kid=path",
      ["a=" .. folder .. "/nothing.pem"] = "nothing.pem", ["a=" .. folder .. "/text.pem"] = "text.pem",
      ["a=" .. folder .. "/rsa.pem"] = "is a key for RS256",
      ["a=" .. folder .. "/a.pub.pem"] = "must be a private key",
      [("a=%s/a.pem,a=%s/b.pem"):format(folder, folder)] = "is there twice" }) do
      local ok, problem = pcall(servers.join, server,
        { env = { FIXXIT_AUTH_ALGORITHM = "ES256", FIXXIT_AUTH_KEYS = keys } })
      assert.is_false(ok, keys)
      assert.truthy(tostring(problem):find(message, 1, true), tostring(problem))
    end
    server:stop()
  end)
end)
