-- A node comes, is killed, and is forgotten: what the others make of it takes half a minute.
local exposition = require("tests.support.exposition")
local servers = require("tests.support.server")

local REGISTER = 5 -- a minute

describe("a node that comes and goes", function()
  local one, two
  local env = { FIXXIT_LIMITS_SCALE = 1, FIXXIT_SERVER_WORKERS = 1,
    FIXXIT_LIMITS_ANSWER_MS = 400, FIXXIT_HTTP_TRUSTED_PROXIES = "127.0.0.0/8" }

  setup(function()
    one = servers.start({ apart = true, env = env })
  end)

  teardown(function()
    if two then
      two:stop()
    end
    one:stop()
  end)

  local function await_nodes(count)
    for _ = 1, 600 do
      local samples = exposition.parse(one.api:get("/metrics", { root = true }).body)
      if exposition.value(samples, "fixxit_nodes") == count then
        return true
      end
      servers.sleep(0.1)
    end
    return false
  end

  local function register(server, address)
    return server.api:post("/auth/register", { json = {}, headers = { ["X-Forwarded-For"] = address } })
      .status ~= 429
  end

  -- How many of so many, one after the other, are let through.
  local function allowed(server, address, count)
    local sum = 0
    for _ = 1, count do
      sum = sum + (register(server, address) and 1 or 0)
    end
    return sum
  end

  it("learns of what was used before it came, once that is used again", function()
    assert.is_true(await_nodes(1))
    assert.equal(3, allowed(one, "198.51.100.1", 3))
    two = servers.join(one, { env = env })
    assert.is_true(await_nodes(2))
    servers.sleep(2)
    assert.equal(1, allowed(one, "198.51.100.1", 1))
    assert.truthy(allowed(two, "198.51.100.1", REGISTER) <= 2) -- one, and one that came back
  end)

  it("leaves the whole limit to the others when it was killed, even without Redis", function()
    one.dependencies.redis:kill()
    servers.sleep(1)
    assert.equal(2, allowed(one, "198.51.100.2", 2 * REGISTER))
    servers.shell("kill -s KILL -- -" .. two.pid)
    assert.is_true(await_nodes(1))
    servers.sleep(1)
    assert.truthy(allowed(one, "198.51.100.3", 2 * REGISTER) >= REGISTER)
  end)
end)
