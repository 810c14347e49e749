-- Two nodes on one database and one Redis hold one limit: with Redis up, killed and back.
-- docs/decisions/0009-rate-limits.md says how far off they may be.
local at_once = require("tests.support.client").at_once
local cqueues = require("cqueues")
local exposition = require("tests.support.exposition")
local servers = require("tests.support.server")

local NODES = 2
local REGISTER = { count = 5, every_s = 12 } -- each use comes back after so long
local LOGIN = { count = 10, every_s = 6 }
local LARGE = { count = 300, every_s = 0.2 }
local BATCH = 15

describe("two nodes", function()
  local one, two, apis, redis

  -- Repeats until `wanted` is true; raises when it never is.
  local function await(wanted, what)
    for _ = 1, 300 do
      if wanted() then
        return
      end
      servers.sleep(0.1)
    end
    error(what .. ": not within 30 s")
  end

  local function value(api, name)
    return exposition.value(exposition.parse(api:get("/metrics", { root = true }).body), name)
  end

  -- Both can ask Redis, or know that they cannot.
  local function await_redis(status)
    for _, api in ipairs(apis) do
      await(function()
        return api:get("/system/health").json.data.services.redis.status == status
      end, "redis " .. status)
    end
    servers.sleep(1) -- each worker hears of it by itself
  end

  setup(function()
    local env = { FIXXIT_LIMITS_SCALE = 1, FIXXIT_SERVER_WORKERS = 2,
      FIXXIT_LIMITS_ANSWER_MS = 400, -- the machine may have other things to do
      FIXXIT_HTTP_TRUSTED_PROXIES = "127.0.0.0/8" }
    one = servers.start({ apart = true, env = env })
    two = servers.join(one, { env = env })
    apis, redis = { one.api, two.api }, one.dependencies.redis
    one:sql(([[UPDATE tenants SET api_limits = '{"requests":%d,"periodSeconds":%d}'
      WHERE slug = 'northgrid']]):format(LARGE.count, LARGE.count * LARGE.every_s))
    for _, api in ipairs(apis) do
      await(function()
        return value(api, "fixxit_nodes") == NODES
      end, "two nodes")
    end
    servers.sleep(3) -- every worker counts by itself
  end)

  teardown(function()
    if two then -- else the set-up failed on the way
      two:stop()
    end
    one:stop()
  end)

  local last_address = 0
  local function new_address()
    last_address = last_address + 1
    return "198.51.100." .. last_address
  end

  local people = 0
  local function sign_in(api, address)
    people = people + 1 -- an account that is tried too often is locked, which is another 429
    return api:post("/auth/login", { headers = { ["X-Forwarded-For"] = address },
      json = { email = "nobody" .. people .. "@nowhere.example", password = "wrong password" } })
  end

  local function register(api, address)
    return api:post("/auth/register", { headers = { ["X-Forwarded-For"] = address },
      json = { email = "nobody@nowhere.example" } })
  end

  local function ask_tenant(api, address)
    return api:get("/reports/categories", { headers = { ["X-Forwarded-For"] = address },
      tenant = "northgrid" })
  end

  -- Sends `count` to each of the nodes, all at once. @return how many were let through
  local function send(request, address, count, to)
    local calls = {}
    for _ = 1, count do
      for _, api in ipairs(to or apis) do
        calls[#calls + 1] = function()
          local answer = request(api, address)
          assert(answer.headers["ratelimit-limit"], answer.body)
          return answer.status ~= 429
        end
      end
    end
    local allowed = 0
    for _, let in ipairs(at_once(calls)) do
      allowed = allowed + (let and 1 or 0)
    end
    return allowed
  end

  local function fallbacks()
    local sum = 0
    for _, api in ipairs(apis) do
      sum = sum + (value(api, "fixxit_rate_limit_fallbacks_total") or 0)
    end
    return sum
  end

  -- Sends to a new address. On a machine that has much to do Redis may answer too late; then
  -- again. @return the address, how many were let through, since when
  local function send_heard(request, count, to)
    for _ = 1, 20 do
      local address, since, before = new_address(), cqueues.monotime(), fallbacks()
      local allowed = send(request, address, count, to)
      if fallbacks() == before then
        return address, allowed, since
      end
      servers.sleep(1.5) -- for a second Redis is not asked again
    end
    error("Redis always answered too late")
  end

  -- Whether at least so many uses of a class were let through, and at most so many and what came
  -- back since a moment.
  local function assert_within(low, high, allowed, class, since)
    high = high + math.ceil((cqueues.monotime() - since) / class.every_s)
    assert.is_true(allowed >= low and allowed <= high,
      ("%d were let through, not %d to %d"):format(allowed, low, high))
  end

  it("let through as many uses of a small class as one would", function()
    for _ = 1, 5 do
      local _, allowed, since = send_heard(register, 2 * REGISTER.count)
      assert_within(REGISTER.count, REGISTER.count, allowed, REGISTER, since)
    end
    local _, allowed, since = send_heard(sign_in, LOGIN.count)
    assert_within(LOGIN.count, LOGIN.count, allowed, LOGIN, since)
  end)

  it("tell alike where the caller stands", function()
    local address = new_address()
    for i = 1, 3 do
      local answer = register(apis[i % 2 + 1], address)
      assert.equal(tostring(REGISTER.count), answer.headers["ratelimit-limit"])
      assert.truthy(tonumber(answer.headers["ratelimit-remaining"]) <= REGISTER.count - i + 1)
      assert.truthy(tonumber(answer.headers["ratelimit-reset"]) > (i - 1) * REGISTER.every_s)
    end
  end)

  it("hold the sum of a large class but for what comes between two exchanges", function()
    local address, since, allowed, sent = new_address(), cqueues.monotime(), 0, 0
    repeat
      allowed = allowed + send(ask_tenant, address, BATCH)
      sent = sent + NODES * BATCH
      servers.sleep(0.4)
    until sent >= 2 * LARGE.count
    assert_within(LARGE.count, LARGE.count + 2 * BATCH, allowed, LARGE, since)
  end)

  it("divide a limit while Redis is gone, and hold it again when it is back", function()
    local share = math.floor(REGISTER.count / NODES)
    local used, before, since = send_heard(register, 3, { one.api })
    assert.equal(3, before)
    redis:kill()
    await_redis("down")
    local fresh, began = new_address(), cqueues.monotime()
    assert_within(NODES * share, NODES * share, send(register, fresh, REGISTER.count), REGISTER, began)
    local during = send(register, used, REGISTER.count)
    assert_within(share, REGISTER.count - before + share, during, REGISTER, since)
    local large, large_began = new_address(), cqueues.monotime()
    assert_within(LARGE.count - NODES, LARGE.count, send(ask_tenant, large, LARGE.count), LARGE,
      large_began)
    assert.truthy(fallbacks() > 0)

    redis:start() -- with nothing in it
    redis:await()
    await_redis("up")
    assert_within(0, REGISTER.count - NODES * share, send(register, fresh, REGISTER.count), REGISTER,
      began)
    local _, again, again_since = send_heard(register, REGISTER.count)
    assert_within(REGISTER.count, REGISTER.count, again, REGISTER, again_since)
  end)

  it("remember for a Redis that lost its memory", function()
    local address, allowed, since = send_heard(register, REGISTER.count, { one.api })
    assert.equal(REGISTER.count, allowed)
    redis:kill()
    await_redis("down")
    redis:start()
    redis:await()
    await_redis("up")
    assert_within(0, 0, send(register, address, REGISTER.count, { two.api }), REGISTER, since)
  end)

  it("do not wait for a Redis that hangs, and divide the limit", function()
    local address, since = new_address(), cqueues.monotime()
    redis:signal("STOP")
    local ok, allowed = pcall(send, register, address, REGISTER.count)
    redis:signal("CONT")
    assert(ok, allowed)
    assert_within(2, REGISTER.count, allowed, REGISTER, since)
    await_redis("up")
  end)
end)
