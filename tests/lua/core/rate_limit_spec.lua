local config = require("core.config")
local context = require("core.context")
local errors = require("core.errors")
local nodes = require("core.rate_limit.nodes")
local redis = require("core.redis")
local rate_limit = require("core.rate_limit")
local task = require("core.task")
local uuid = require("core.uuid")

describe("core.rate_limit", function()
  local settings, scale, answer_ms

  setup(function()
    settings = config.get().limits
    scale, settings.scale = settings.scale, 1
    answer_ms, settings.answer_ms = settings.answer_ms, 10000
  end)

  teardown(function()
    settings.scale, settings.answer_ms = scale, answer_ms
  end)

  local function route_of(class)
    local route = { rate = class, path = "/x", where = "spec" }
    rate_limit.build({ route })
    return route
  end

  -- Every test has its own callers: the counts outlive it.
  local last = 0
  local function new_address()
    last = last + 1
    return ("10.%d.%d.%d"):format(math.random(255), math.random(255), last)
  end

  local function new_tenant(tier, api_limits)
    return { id = uuid.v7(), tier = tier, api_limits = api_limits }
  end

  -- One request; nil when it was let through, else the error.
  local function request(route, fields)
    local ctx = context.new({ ip = fields.ip, tenant = fields.tenant,
      actor = fields.user and { kind = "user", user_id = fields.user, permissions = {} } or nil })
    local ok, err = pcall(function()
      rate_limit.enter(ctx, route)
      rate_limit.enter_tenant(ctx)
    end)
    return not ok and err or nil, ctx
  end

  local function allowed(route, fields, at_most)
    for i = 1, at_most do
      local err = request(route, fields)
      if err then
        assert.is_true(errors.is(err, "RATE_LIMITED"), tostring(err))
        return i - 1
      end
    end
    return at_most
  end

  it("lets each address sign in ten times a minute, and says when to try again", function()
    local route, ip = route_of("login"), new_address()
    assert.equal(10, allowed(route, { ip = ip }, 20))
    local err, ctx = request(route, { ip = ip })
    assert.equal(429, err.status)
    assert.equal("6", err.headers["Retry-After"])
    assert.same({ 10, 0, 60 }, { rate_limit.standing(ctx) })
    assert.is_nil(request(route, { ip = new_address() }))
  end)

  it("counts the classes apart", function()
    local ip = new_address()
    assert.equal(5, allowed(route_of("register"), { ip = ip }, 20))
    assert.equal(5, allowed(route_of("forgot"), { ip = ip }, 20))
    assert.equal(10, allowed(route_of("login"), { ip = ip }, 20))
  end)

  it("limits reports of anonymous callers only", function()
    local route, ip = route_of("report"), new_address()
    local tenant = new_tenant("enterprise")
    assert.equal(10, allowed(route, { ip = ip, tenant = tenant }, 50))
    assert.equal(50, allowed(route, { ip = ip, tenant = tenant, user = uuid.v7() }, 50))
  end)

  it("goes by the tenant's tier, for each user", function()
    local route, ip = route_of("standard"), new_address()
    local free, pro = new_tenant("free"), new_tenant("pro")
    assert.equal(100, allowed(route, { ip = ip, tenant = free, user = "a" }, 200))
    assert.equal(100, allowed(route, { ip = ip, tenant = free, user = "b" }, 200))
    assert.equal(100, allowed(route, { ip = ip, tenant = free }, 200))
    assert.equal(1000, allowed(route, { ip = ip, tenant = pro, user = "a" }, 1100))
    local enterprise = new_tenant("enterprise")
    assert.equal(1200, allowed(route, { ip = ip, tenant = enterprise, user = "a" }, 1200))
  end)

  it("counts a tier within the window of the settings", function()
    settings.window_ms = 60000
    local route, tenant = route_of("standard"), new_tenant("free")
    local count = allowed(route, { ip = new_address(), tenant = tenant, user = "a" }, 200)
    local _, ctx = request(route, { ip = new_address(), tenant = tenant, user = "a" })
    settings.window_ms = 900000
    assert.equal(100, count)
    assert.truthy(ctx.rate_reset_ms <= 60000)
  end)

  it("prefers the tenant's own limits to its tier's", function()
    local route, ip = route_of("standard"), new_address()
    local few = new_tenant("enterprise", { requests = 3, periodSeconds = 60 })
    assert.equal(3, allowed(route, { ip = ip, tenant = few }, 10))
    local none = new_tenant("free", { requests = 0 })
    assert.equal(300, allowed(route, { ip = ip, tenant = none }, 300))
    local unreadable = new_tenant("free", { requests = "many" })
    assert.equal(100, allowed(route, { ip = ip, tenant = unreadable }, 300))
  end)

  it("tells where the caller stands even when no class was reached", function()
    rate_limit.build({})
    assert.same({ 6000000, 5999999, 1 },
      { rate_limit.standing(context.new({ ip = new_address() })) })
  end)

  it("multiplies all counts by the scale", function()
    settings.scale = 2
    local count = allowed(route_of("forgot"), { ip = new_address() }, 50)
    settings.scale = 1
    assert.equal(10, count)
  end)

  it("takes the 2^64 addresses of an IPv6 connection for one", function()
    assert.equal("192.0.2.1", rate_limit.network("192.0.2.1"))
    assert.equal("192.0.2.1", rate_limit.network("::ffff:192.0.2.1"))
    assert.equal("2001:db8:1:2", rate_limit.network("2001:db8:1:2:3:4:5:6"))
    assert.equal("2001:db8:1:2", rate_limit.network("2001:db8:1:2::6"))
    assert.equal("2001:db8:0:0", rate_limit.network("2001:db8::1"))
    assert.equal("2001:db8:0:4", rate_limit.network("2001:db8::4:5:6:7:8"))
    assert.equal("0:0:0:0", rate_limit.network("::1"))
    assert.equal("fe80:0:0:0", rate_limit.network("fe80::1%eth0"))
  end)

  describe("with another node", function()
    local route, ip

    before_each(function()
      for _ = 1, 200 do -- the first call may find a Redis that is still being connected
        if redis.call("PING") then
          break
        end
        task.sleep(50)
      end
      nodes.set_count(2)
      route, ip = route_of("login"), new_address()
    end)

    after_each(function()
      nodes.set_count(1)
    end)

    -- What the other node told Redis: uses of this address, at its clock.
    local function used_there(uses)
      local now = redis.call("TIME")
      redis.call("SET", "fixxit:limit:login " .. ip,
        ("%.0f"):format(now[1] * 1e6 + now[2] + uses * 6e6), "PX", 60000)
    end

    it("counts what was used there, and says when to try again", function()
      used_there(8.5)
      assert.equal(1, allowed(route, { ip = ip }, 20))
      local err, ctx = request(route, { ip = ip })
      assert.equal("3", err.headers["Retry-After"])
      assert.equal(0, ctx.rate_remaining)
      assert.is_true(ctx.rate_reset_ms > 56000 and ctx.rate_reset_ms <= 57000)
    end)

    it("writes over what makes no sense", function()
      redis.call("RPUSH", "fixxit:limit:login " .. ip, "x")
      assert.equal(10, allowed(route, { ip = ip }, 20))
    end)

    it("believes no clock that was set back", function()
      used_there(600)
      assert.equal(10, allowed(route, { ip = ip }, 20))
    end)

    it("tells Redis what was used before the other came", function()
      nodes.set_count(1)
      assert.equal(7, allowed(route, { ip = ip }, 7))
      nodes.set_count(2)
      assert.equal(3, allowed(route, { ip = ip }, 20))
      local now = redis.call("TIME")
      local left = redis.call("GET", "fixxit:limit:login " .. ip) - (now[1] * 1e6 + now[2])
      assert.is_true(left > 59e6 and left <= 60e6)
    end)

    it("tells of large classes in exchanges, each use once", function()
      local pro, user = new_tenant("pro"), uuid.v7()
      local key = "fixxit:limit:pro " .. pro.id .. " " .. user
      assert.equal(30, allowed(route_of("standard"), { ip = ip, tenant = pro, user = user }, 30))
      assert.equal(redis.null, redis.call("GET", key))
      nodes.exchange()
      nodes.exchange()
      local now = redis.call("TIME")
      local left = redis.call("GET", key) - (now[1] * 1e6 + now[2])
      assert.is_true(left > 26e6 and left <= 27e6, tostring(left))
    end)
  end)

  it("refuses a route of a class that does not exist", function()
    assert.has_error(function()
      route_of("nonsense")
    end, "spec: /x: there is no rate class 'nonsense'")
  end)
end)
