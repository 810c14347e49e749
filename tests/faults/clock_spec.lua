-- Somebody sets the clock, forwards and backwards, while people are at work.
local cqueues = require("cqueues")
local clocks = require("tests.support.fake_clock")
local loads = require("tests.support.load")
local servers = require("tests.support.server")

local HOUR_S = 3600

describe("when the clock is set", function()
  local server, api, clock
  local made = {} -- ids of reports, in the order in which they were made

  setup(function()
    clock = clocks.new(servers.shell)
    local env = { FIXXIT_AUTH_ACCESS_TTL_S = 86400, FIXXIT_LIMITS_SCALE = 1,
      FIXXIT_LIMITS_ANONYMOUS_REPORT_PER_MINUTE = 10000 }
    for name, value in pairs(clock.env) do
      env[name] = value
    end
    server = servers.start({ apart = true, env = env, mariadb_env = clock.env })
    api = server.api
  end)

  teardown(function()
    server:stop()
    clock:remove()
  end)

  local function login()
    return api:login("dispatcher@riverton.example").token
  end

  local function report(title)
    local answer = api:post("/reports", { tenant = "riverton", json = { title = title,
      category = "other", location = { description = "by the clock" } } })
    assert.equal(201, answer.status, answer.body)
    made[#made + 1] = answer.json.data.id
    return answer.json.data.id
  end

  local function hears(socket, id)
    return socket:expect(function(message)
      return message.event == "report:created" and message.data.id == id
    end, 20)
  end

  local function eventually(check)
    for _ = 1, 300 do
      if check() then
        return true
      end
      servers.sleep(0.1)
    end
    return false
  end

  local function count(sql)
    return tonumber(server:sql(sql))
  end

  it("no request fails, no socket closes, events go on, whichever way it is set", function()
    local token = login()
    local socket = api:socket("token=" .. token)
    assert.truthy(socket:expect("auth:ok"))
    local loop = cqueues.new()
    local load = loads.start(loop, { port = server.port, path = "/health", clients = 4, pause_s = 0.01 })
    loop:wrap(function()
      for _, hours in ipairs({ 2, -2, 0, 5, 0 }) do
        clock:set(hours * HOUR_S)
        local id = report(("At %d hours"):format(hours))
        assert.truthy(hears(socket, id), hours .. " hours")
        local told = api:get("/health", { root = true }).json.timestamp
        local seen = count("SELECT UNIX_TIMESTAMP()") - os.time() -- what the test is worth
        assert.near(hours * HOUR_S, seen, 60)
        assert.equal(os.date("!%Y-%m-%dT%H", os.time() + seen), told:sub(1, 13))
        assert.equal(200, api:get("/reports", { token = token }).status)
      end
      load:stop()
    end)
    assert(loop:loop())
    assert.same({}, load.failures)
    socket:close()
    local uptime = api:get("/system/health").json.data.uptime
    assert.truthy(uptime >= 0 and uptime < HOUR_S, uptime)
  end)

  it("ids go on growing and lists lose and repeat nothing", function()
    for i = 2, #made do
      assert.truthy(made[i - 1] < made[i], made[i - 1] .. " " .. made[i])
    end
    local token = login()
    local seen, cursor = {}, nil
    repeat
      local page = api:get("/reports?limit=2&q=hours" .. (cursor and "&cursor=" .. cursor or ""),
        { token = token })
      assert.equal(200, page.status, page.body)
      for _, row in ipairs(page.json.data) do
        assert.is_nil(seen[row.id])
        seen[row.id] = true
      end
      cursor = page.json.meta.nextCursor
    until type(cursor) ~= "string"
    for _, id in ipairs(made) do
      assert.is_true(seen[id], id)
    end
  end)

  it("no lease and no lock outlives its holder", function()
    clock:set(0)
    local token = login()
    local socket = api:socket("token=" .. token)
    assert.truthy(socket:expect("auth:ok"))
    -- a job of a worker that dies, locked by the clock as it was
    server:sql("INSERT INTO jobs (id, queue, name, payload, priority, state, run_at, attempts, locked_by, "
      .. "locked_until) VALUES (UUID(), 'default', 'no.such.job', '{}', 5, 'running', NOW(3), 1, 'gone', "
      .. "NOW(3) + INTERVAL 60 SECOND)")
    clock:set(-3 * HOUR_S)
    for _, pid in ipairs(server:pids("job")) do
      servers.shell("kill -KILL " .. pid)
    end
    assert.truthy(hears(socket, report("After the leader died")))
    assert.is_true(eventually(function()
      return count("SELECT COUNT(*) FROM jobs WHERE name = 'no.such.job' AND state = 'running'") == 0
    end))
    socket:close()
  end)

  it("recurring work goes on, and is not made up for", function()
    local function runs()
      return count("SELECT COUNT(*) FROM jobs WHERE unique_key LIKE 'schedule:%' OR name IN "
        .. "(SELECT job FROM schedules)")
    end
    local schedules = count("SELECT COUNT(*) FROM schedules WHERE is_active")
    clock:set(0)
    assert.is_true(eventually(function() -- none is further away than its period
      return count("SELECT COUNT(*) FROM schedules WHERE next_run_at > NOW(3) + INTERVAL every_ms * 2000 "
        .. "MICROSECOND") == 0
    end))
    local before = runs()
    clock:set(48 * HOUR_S)
    assert.is_true(eventually(function()
      return count("SELECT COUNT(*) FROM schedules WHERE next_run_at < NOW(3) - INTERVAL 10 SECOND") == 0
    end))
    servers.sleep(3)
    assert.truthy(runs() - before <= 2 * schedules, runs() - before)
    clock:set(0)
    assert.is_true(eventually(function()
      return count("SELECT COUNT(*) FROM schedules WHERE next_run_at > NOW(3) + INTERVAL every_ms * 2000 "
        .. "MICROSECOND") == 0
    end))
  end)

  it("rate limits neither open nor close", function()
    local function ask()
      return api:post("/auth/forgot-password", { json = { email = "nobody@riverton.example" } })
    end
    local answer
    for _ = 1, 30 do
      answer = ask()
      if answer.status == 429 then
        break
      end
    end
    assert.equal(429, answer.status, answer.body)
    clock:set(24 * HOUR_S)
    local refused = 0
    for _ = 1, 5 do -- a whole allowance would be back
      refused = refused + (ask().status == 429 and 1 or 0)
    end
    assert.truthy(refused > 0)
    clock:set(-24 * HOUR_S)
    repeat
      answer = ask()
    until answer.status == 429
    assert.truthy(tonumber(answer.headers["retry-after"]) <= 60, answer.headers["retry-after"])
    clock:set(0)
  end)

  it("who signed in may go on or sign in again", function()
    local session = api:login("dispatcher@riverton.example")
    local token = session.token
    clock:set(-6 * HOUR_S) -- it is from the future now, and need not be believed
    local answer = api:post("/auth/refresh", { json = { refreshToken = session.refreshToken } })
    assert.equal(200, answer.status, answer.body)
    assert.equal(200, api:get("/users/profile", { token = answer.json.data.accessToken }).status)
    assert.equal(200, api:get("/users/profile", { token = login() }).status)
    clock:set(48 * HOUR_S)
    assert.equal(401, api:get("/users/profile", { token = token }).status)
    assert.equal(200, api:get("/users/profile", { token = login() }).status)
    clock:set(0)
  end)
end)
