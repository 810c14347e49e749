-- Whoever was signed out, banned or given another role is that for the next request, whichever
-- process of the node it comes to, and soon after on all other nodes, with Redis or without.
local client = require("tests.support.client")
local processes = require("tests.support.process")
local servers = require("tests.support.server")

local WORKERS, ROUNDS, ASKS = 3, 15, 12
local PROMISED_S = 1
local SOON_S = 5
local LOCKED_S = 12 -- less than what a worker keeps for 30 s

-- What every process answers.
local function at_once(ask)
  return client.times(ASKS, ask)
end

local function profile_of(api, token)
  return function()
    return api:get("/users/profile", { token = token }).status
  end
end

local function statuses(api, token)
  return at_once(profile_of(api, token))
end

local function all(status)
  local list = {}
  for i = 1, ASKS do
    list[i] = status
  end
  return list
end

--- Holds the promise to its word: no request that begins a second after the change, by whichever
-- process of whichever node it is answered, is answered as before. Call it when the change was
-- answered.
local function assert_heard(status, ask)
  servers.sleep(PROMISED_S)
  assert.same(all(status), at_once(ask))
end

local function is_locked(server)
  return tonumber(server:sql("SELECT COUNT(*) FROM information_schema.processlist "
    .. "WHERE info LIKE 'SELECT SLEEP%'")) == 1
end

-- For LOCKED_S nobody reads or writes that table; all others can be.
-- @return ends it before its time
local function lock_security_events(server)
  local _, holder = servers.shell(("setsid mariadb --no-defaults -uroot -S %s/run/mariadb.sock fixxit "
    .. "-e 'LOCK TABLES security_events WRITE; SELECT SLEEP(%d)' >/dev/null 2>&1 & echo $!")
    :format(server.data, LOCKED_S))
  for _ = 1, 100 do
    if is_locked(server) then
      return function()
        servers.shell("kill " .. tonumber(holder))
        assert(processes.await_end(tonumber(holder), SOON_S), "the lock's holder did not end")
      end
    end
    servers.sleep(0.05)
  end
  error("the table is not locked")
end

describe("revocation", function()
  local one, two

  setup(function()
    local env = { FIXXIT_SERVER_WORKERS = WORKERS, FIXXIT_LIMITS_SCALE = 10000 }
    one = servers.start({ apart = true, env = env })
    two = servers.join(one, { env = env })
  end)

  teardown(function()
    if two then -- else the set-up failed on the way
      two:stop()
    end
    one:stop()
  end)

  local function login(email)
    return one.api:login(email or "viewer@riverton.example")
  end

  local function logout(session)
    assert.equal(200, one.api:post("/auth/logout", { token = session.token, json = {} }).status)
  end

  local function change(path, who, body)
    local answer = one.api:put(path, { token = who.token, json = body })
    assert.equal(200, answer.status, answer.body)
  end

  -- Signed in, used in every process that happens to be asked, signed out.
  local function rounds()
    for _ = 1, ROUNDS do
      local session = login()
      assert.same(all(200), statuses(one.api, session.token))
      logout(session)
      assert.same(all(401), statuses(one.api, session.token))
    end
  end

  it("works on the very next request of its node, in every process", rounds)

  it("does so without Redis, which only wakes the others sooner", function()
    one.dependencies.redis:signal("STOP")
    local ok, problem = pcall(rounds)
    one.dependencies.redis:signal("CONT")
    assert(ok, problem)
  end)

  -- Everything that takes rights away, done on one node.
  local REVOKED = {
    ["a logout"] = function()
      local session = login()
      assert.same(all(200), statuses(two.api, session.token))
      logout(session)
      assert.same(all(401), statuses(one.api, session.token))
      assert_heard(401, profile_of(two.api, session.token))
    end,
    ["another role"] = function(admin)
      local session = login("tech2@riverton.example")
      local path = "/admin/users/" .. session.user.id .. "/role"
      local function list_of(node)
        return function()
          return node.api:get("/workorders", { token = session.token }).status
        end
      end
      assert.same(all(200), at_once(list_of(two)))
      change(path, admin, { role = "member" })
      assert.same(all(403), at_once(list_of(one)))
      assert_heard(403, list_of(two))
      change(path, admin, { role = "technician" })
      assert_heard(200, list_of(two))
    end,
    ["a ban"] = function(admin)
      local session = login("tech1@riverton.example")
      local path = "/users/" .. session.user.id .. "/status"
      assert.same(all(200), statuses(two.api, session.token))
      change(path, admin, { status = "banned", reason = "a test" })
      assert.same(all(401), statuses(one.api, session.token))
      assert_heard(401, profile_of(two.api, session.token))
      change(path, admin, { status = "active" })
      assert_heard(401, profile_of(two.api, session.token))
      assert_heard(200, profile_of(two.api, login("tech1@riverton.example").token))
    end,
    ["a revoked API key"] = function(admin)
      local made = one.api:post("/api-keys", { token = admin.token,
        json = { name = "meter", scopes = { "users.read" } } }).json.data
      local function by_key(node)
        return function()
          return node.api:get("/users?limit=1", { headers = { ["x-api-key"] = made.key } }).status
        end
      end
      assert.same(all(200), at_once(by_key(two)))
      assert.equal(200, one.api:delete("/api-keys/" .. made.id, { token = admin.token }).status)
      assert.same(all(401), at_once(by_key(one)))
      assert_heard(401, by_key(two))
    end,
  }

  it("is heard of by the other nodes while Redis is up, killed, and back", function()
    local redis = one.dependencies.redis
    local admin = login("admin@riverton.example")
    local function heard(when)
      for what, revoked in pairs(REVOKED) do
        local ok, problem = xpcall(revoked, debug.traceback, admin)
        assert(ok, what .. " while Redis is " .. when .. ": " .. tostring(problem))
      end
      assert.same(all(200), statuses(one.api, admin.token)) -- and nobody else's rights are gone
    end
    heard("up")
    redis:kill()
    heard("killed")
    redis:start()
    redis:await()
    heard("back")
  end)

  it("follows when one refresh token is used on both nodes at once", function()
    local session = login()
    local function refresh(node)
      return function()
        return node.api:post("/auth/refresh", { json = { refreshToken = session.refreshToken } })
      end
    end
    local answers = client.at_once({ refresh(one), refresh(two) })
    table.sort(answers, function(a, b) return a.status < b.status end)
    assert.same({ 200, 401 }, { answers[1].status, answers[2].status })
    assert.equal("TOKEN_REUSED", answers[2].json.error.code)
    local fresh = answers[1].json.data
    for _, node in ipairs({ one, two }) do
      assert_heard(401, profile_of(node.api, fresh.accessToken))
      assert.equal(401, node.api:post("/auth/refresh",
        { json = { refreshToken = fresh.refreshToken } }).status)
    end
  end)

  it("is asked of the database when the changes cannot be followed", function()
    local session = login()
    assert.same(all(200), statuses(two.api, session.token))
    local unlock = lock_security_events(one)
    one:sql(("UPDATE sessions SET ended_at = NOW(3) WHERE user_id = '%s'"):format(session.user.id))
    assert_heard(401, profile_of(one.api, session.token))
    assert_heard(401, profile_of(two.api, session.token))
    assert.is_true(is_locked(one), "the table was not locked any more")
    unlock()
  end)
end)
