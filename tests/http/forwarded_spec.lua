-- For which host a request is, when proxies stand between: their word counts where they are trusted,
-- and nobody else's.
local raw_socket = require("tests.support.raw_socket")
local servers = require("tests.support.server")

local DOMAIN = "reports.riverton.example"

describe("behind a proxy", function()
  local trusting, standard, wary

  local function start(env)
    local server = servers.start({ env = env })
    server:sql("UPDATE tenants SET domain = '" .. DOMAIN .. "' WHERE slug = 'riverton'")
    return server
  end

  setup(function()
    trusting = start({ FIXXIT_HTTP_TRUSTED_PROXIES = "127.0.0.1,10.0.0.0/8" })
    standard = start({ FIXXIT_HTTP_TRUSTED_PROXIES = "127.0.0.1",
      FIXXIT_HTTP_FORWARDED_HEADER = "forwarded" })
    wary = start()
  end)

  teardown(function()
    for _, server in ipairs({ trusting, standard, wary }) do
      server:stop()
    end
  end)

  -- The tenant's categories, for whoever is known by the host alone.
  local function status(server, headers)
    return server.api:get("/reports/categories", { headers = headers }).status
  end

  it("the host that it was asked for names the tenant", function()
    assert.equal(200, status(trusting, { ["x-forwarded-host"] = DOMAIN }))
    assert.equal(200, status(trusting, { ["x-forwarded-host"] = DOMAIN:upper() .. ":443",
      ["x-forwarded-for"] = "203.0.113.9", ["x-forwarded-proto"] = "https" }))
    assert.equal(200, status(trusting, { ["x-forwarded-host"] = DOMAIN .. ", inner",
      ["x-forwarded-for"] = "203.0.113.9, 10.0.0.1" }))
    assert.equal(200, status(standard, { forwarded = "for=203.0.113.9;host=" .. DOMAIN }))
    assert.equal(200, status(wary, { [":authority"] = DOMAIN }))
  end)

  it("what a client made up does not, nor what is no host", function()
    assert.equal(400, status(wary, { ["x-forwarded-host"] = DOMAIN }))
    assert.equal(400, status(wary, { forwarded = "for=203.0.113.9;host=" .. DOMAIN }))
    assert.equal(400, status(standard, { ["x-forwarded-host"] = DOMAIN }))
    assert.equal(400, status(trusting, { forwarded = "for=203.0.113.9;host=" .. DOMAIN }))
    -- The client's own line stands before the one of the proxy that it came to.
    assert.equal(400, status(trusting, { ["x-forwarded-host"] = DOMAIN .. ", other.example",
      ["x-forwarded-for"] = "10.0.0.1, 203.0.113.9" }))
    for _, nonsense in ipairs({ "", ",", "a b", DOMAIN .. "/x", "http://" .. DOMAIN, DOMAIN .. ":x",
      "[::1", ("x"):rep(5000) }) do
      assert.equal(400, status(trusting, { ["x-forwarded-host"] = nonsense }), nonsense)
    end
  end)

  it("a page of that host may open a socket, and no other", function()
    local function open(server, origin)
      local peer = raw_socket.open(server.port, { Origin = origin, ["X-Forwarded-Host"] = DOMAIN })
      peer:close()
      return peer.status
    end
    assert.equal(101, open(trusting, "https://" .. DOMAIN))
    assert.equal(403, open(trusting, "https://evil.example"))
    assert.equal(403, open(wary, "https://" .. DOMAIN))
  end)
end)
