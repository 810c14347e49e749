-- Stopping, upgrading and replacing processes under load: nobody is refused, no answer is cut.
local cqueues = require("cqueues")
local exposition = require("tests.support.exposition")
local loads = require("tests.support.load")
local probes = require("tests.support.probe")
local raw_http = require("tests.support.raw_http")
local servers = require("tests.support.server")

local CLIENTS = 20
local SLOW_CLIENTS, SLOW_S = 4, 0.8 -- less than the two seconds that an old process waits for them
local ASK = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"

-- Lets the loop run until check() is true.
local function await(check, seconds)
  local deadline = cqueues.monotime() + (seconds or 10)
  while not check() do
    if cqueues.monotime() > deadline then
      return false
    end
    cqueues.sleep(0.02)
  end
  return true
end

local function signal(name, pid)
  assert(os.execute(("kill -%s %d"):format(name, pid)) == 0)
end

describe("a server that is told to stop", function()
  it("answers every request that was sent, closes each connection with its last answer, sockets with 1001", function()
    local server = servers.start({ env = { FIXXIT_SERVER_WORKERS = 2, FIXXIT_LIMITS_SCALE = 10000 } })
    local token = server.api:login("dispatcher@riverton.example").token
    local loop = cqueues.new()
    local fast = loads.start(loop, { port = server.port, path = "/health", clients = CLIENTS,
      ends_at_close = true })
    local slow = loads.start(loop, { port = server.port, path = "/api/v1/reports?limit=5",
      token = token, clients = CLIENTS, ends_at_close = true })
    local close_code
    loop:wrap(function()
      local socket = server.api:socket("token=" .. token)
      assert(socket:expect("auth:ok"))
      assert(await(function()
        return fast.requests > 500 and slow.requests > 100
      end))
      signal("TERM", server.pid)
      repeat
        local message, code = socket:receive(10)
        close_code = code
      until not message
    end)
    assert(loop:loop())
    assert.same({}, fast.failures)
    assert.same({}, slow.failures)
    assert.equal(CLIENTS, fast.closed)
    assert.equal(CLIENTS, slow.closed)
    assert.equal(1001, close_code)
    server:stop()
  end)
end)

describe("an upgrade", function()
  local server, probe, bin

  setup(function()
    probe = probes.new()
    bin = os.tmpname()
    servers.shell(("cp %s %s.new && mv %s.new %s"):format(servers.BIN, bin, bin, bin))
    server = servers.start({ bin = bin, env = {
      FIXXIT_ROOT = probe.root, FIXXIT_SERVER_WORKERS = 2, FIXXIT_LIMITS_SCALE = 10000,
    } })
  end)

  teardown(function()
    server:stop()
    probe:remove()
    os.remove(bin)
  end)

  local function logged(text)
    return server:log_text():find(text, 1, true) ~= nil
  end

  local function set_of(pids)
    local set = {}
    for _, pid in ipairs(pids) do
      set[pid] = true
    end
    return set
  end

  local function replace_binary(command)
    local code, output = servers.shell(("%s && mv %s.new %s"):format(command, bin, bin))
    assert.equal(0, code, output)
  end

  it("replaces every process under load and fails no request; the master keeps its pid", function()
    local master, old = server:master(), set_of(server:pids())
    probe:set(1)
    local loop = cqueues.new()
    local load = loads.start(loop, { port = server.port, path = "/api/v1/probe", clients = CLIENTS })
    local renewed = false
    loop:wrap(function()
      await(function()
        return load.requests > 200
      end)
      replace_binary(("cp %s %s.new"):format(servers.BIN, bin))
      signal("USR2", master)
      renewed = await(function()
        local pids = server:pids()
        for _, pid in ipairs(pids) do
          if old[pid] then
            return false
          end
        end
        return #pids >= 4
      end, 30)
      local served = load.requests
      await(function()
        return load.requests > served + 200
      end)
      load:stop()
    end)
    assert(loop:loop())
    assert.same({}, load.failures)
    assert.is_true(renewed)
    assert.equal(1, probe:value(server.api))
    assert.equal(master, server:master())
    assert.equal(0, servers.shell(("test /proc/%d/exe -ef %s"):format(master, bin)))
  end)

  it("answers who was slow to ask again by the process that was asked before", function()
    local clients = {}
    for i = 1, SLOW_CLIENTS do
      clients[i] = raw_http.connect(server.port)
      clients[i]:send(ASK)
      assert.equal(200, clients[i]:answer().status)
    end
    signal("USR2", server:master())
    assert.is_true(await(function()
      return select(2, server:command("status")):find("ending", 1, true)
    end, 30))
    cqueues.sleep(SLOW_S)
    for _, client in ipairs(clients) do
      client:send(ASK)
      local answer = assert(client:answer(), "closed before it asked")
      assert.equal(200, answer.status)
      assert.equal("close", answer.headers.connection)
      client:close()
    end
    assert.is_true(await(function() -- the next test counts processes
      return not select(2, server:command("status")):find("ending", 1, true)
    end, 30))
  end)

  it("is not begun when the new binary does not start", function()
    local before = server:pids()
    replace_binary(("printf '#!/bin/sh\\nexit 1\\n' > %s.new && chmod 755 %s.new"):format(bin, bin))
    signal("USR2", server:master())
    assert.is_true(await(function()
      return logged("does not start; nothing was changed")
    end))
    assert.same(before, server:pids())
    assert.equal(1, probe:value(server.api))
    replace_binary(("cp %s %s.new"):format(servers.BIN, bin))
  end)

  it("leaves the old processes when the new ones do not come up", function()
    local before = server:pids()
    probe:save("return { value = function( end }")
    local loop = cqueues.new()
    local load = loads.start(loop, { port = server.port, path = "/api/v1/probe", clients = 5 })
    local gave_up
    loop:wrap(function()
      signal("USR2", server:master())
      gave_up = await(function()
        return logged("the old ones stay")
      end, 30)
      load:stop()
    end)
    assert(loop:loop())
    assert.is_true(gave_up)
    assert.same({}, load.failures)
    assert.same(before, server:pids())
    -- one of them that dies is started again on the Lua that it ran
    signal("KILL", server:pids("http")[1])
    assert.is_true(await(function()
      local _, text = server:command("status")
      return not text:find("starting") and not text:find("down")
    end))
    assert.equal(1, probe:value(server.api))
    -- and the next one, mended, goes through
    probe:set(2)
    signal("USR2", server:master())
    assert.is_true(await(function()
      return probe:value(server.api) == 2
    end, 30))
  end)
end)

describe("what the processes count together", function()
  local REGISTER_S = 12 -- after which one of the five is allowed again
  local bin, server

  setup(function()
    bin = os.tmpname()
    servers.shell(("cp %s %s.new && mv %s.new %s"):format(servers.BIN, bin, bin, bin))
    local _, here = servers.shell("pwd")
    server = servers.start({ bin = bin, env = { FIXXIT_ROOT = here:match("[^\n]+"),
      FIXXIT_SERVER_WORKERS = 2, FIXXIT_LIMITS_SCALE = 1 } })
  end)

  teardown(function()
    server:stop()
    os.remove(bin)
  end)

  local function register()
    local allowed = 0
    for _ = 1, 5 do
      local answer = server.api:post("/auth/register", { json = {} })
      allowed = allowed + (answer.status ~= 429 and 1 or 0)
    end
    return allowed
  end

  local function asked()
    local samples = exposition.parse(server.api:get("/metrics", { root = true }).body)
    return exposition.value(samples, "fixxit_http_requests_total", { route = "/api/v1/auth/register" })
  end

  it("goes on after an upgrade: metrics and limits", function()
    local since, old = cqueues.monotime(), {}
    assert.equal(5, register())
    local count = asked()
    for _, pid in ipairs(server:pids()) do
      old[pid] = true
    end
    signal("USR2", server:master())
    assert.is_true(await(function()
      local pids = server:pids()
      for _, pid in ipairs(pids) do
        if old[pid] then
          return false
        end
      end
      return #pids >= 4
    end, 30))
    local allowed = register()
    assert.truthy(allowed <= (cqueues.monotime() - since) / REGISTER_S, allowed .. " were allowed")
    assert.equal(count + 5, asked())
  end)
end)

describe("a worker that is killed before it is up", function()
  local server, probe, obstacle

  setup(function()
    probe, obstacle = probes.new(), os.tmpname()
    -- Who of the processes finds the file first takes it along, and stands still until it is gone.
    probe:write("plugins/describe_probe/init.lua", ([[
      return { start = function()
        if os.rename("%s", "%s.taken") then
          os.execute("while [ -e %s.taken ]; do sleep 0.1; done")
        end
      end }
    ]]):format(obstacle, obstacle, obstacle))
    server = servers.start({ env = { FIXXIT_ROOT = probe.root, FIXXIT_SERVER_WORKERS = 2 } })
  end)

  teardown(function()
    os.remove(obstacle .. ".taken")
    server:stop()
    probe:remove()
  end)

  it("is started again: the others serve already", function()
    local starting
    assert.is_true(await(function() -- but for the one that stands still all come up
      starting = {}
      local _, text = server:command("status")
      for pid in text:gmatch("pid (%d+) +starting") do
        starting[#starting + 1] = tonumber(pid)
      end
      return #starting == 1
    end))
    signal("KILL", starting[1])
    local master = server:master() -- told when all are up
    assert.equal(200, server.api:get("/ready", { root = true }).status)
    assert.is_true(require("tests.support.process").lives(master))
  end)
end)

describe("the master", function()
  local server, probe, obstacle

  setup(function()
    probe = probes.new([[
      { method = "GET", path = "/spin", summary = "Never ends.", permission = "public",
        tenant = false, handler = function() while true do end end },
    ]])
    obstacle = os.tmpname()
    os.remove(obstacle)
    probe:write("plugins/describe_probe/init.lua", ([[
      return { start = function() assert(not io.open("%s"), "an obstacle") end }
    ]]):format(obstacle))
    server = servers.start({ env = {
      FIXXIT_ROOT = probe.root, FIXXIT_SERVER_WORKERS = 1, FIXXIT_SERVER_HEARTBEAT_MS = 1000,
    } })
  end)

  teardown(function()
    server:stop()
    probe:remove()
  end)

  it("kills a worker in an endless loop, names the request, and has another one serve", function()
    local pid = server:pids("http")[1]
    local began = cqueues.monotime()
    assert.is_false(pcall(server.api.get, server.api, "/spin"))
    assert.truthy(cqueues.monotime() - began < 5)
    assert.is_true(await(function()
      return probe:value(server.api) == 0
    end))
    assert.not_equal(pid, server:pids("http")[1])
    assert.matches("has stood still for %d+ ms: killed; it began last: GET /api/v1/spin\n", server:log_text())
  end)

  it("loses no worker that serves to Lua whose loading never ends", function()
    local before = server:pids("http")
    probe:save("while true do end")
    local code, output = servers.shell(("FIXXIT_ROOT=%s FIXXIT_ENV=test FIXXIT_DATA=%s %s reload"):format(
      probe.root, server.data, servers.BIN))
    probe:set(0)
    assert.equal(1, code, output)
    assert.matches("died of it", output)
    assert.same(before, server:pids("http"))
    assert.equal(0, probe:value(server.api))
  end)

  it("leaves a worker alone that has nothing to do", function()
    local pid = server:pids("http")[1]
    servers.sleep(2.5)
    assert.equal(pid, server:pids("http")[1])
  end)

  it("tries a worker that does not come up with growing pauses, until it does", function()
    local function tries()
      return select(2, server:log_text():gsub("ended with 1", ""))
    end
    local before = tries()
    assert(io.open(obstacle, "w")):close()
    signal("KILL", server:pids("http")[1])
    local began = cqueues.monotime()
    assert.is_true(await(function()
      return tries() - before >= 3
    end, 60))
    -- pauses of 0.2 s, 0.4 s, 0.8 s ...: so many fit at most
    local count = tries() - before
    local most = math.log((cqueues.monotime() - began) / 0.2 + 1) / math.log(2) + 1
    assert.truthy(count <= most, count)
    os.remove(obstacle)
    assert.is_true(await(function()
      return probe:value(server.api) == 0
    end, 20))
  end)
end)
