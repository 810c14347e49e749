-- What is under way when a server is told to stop, or to become another binary: requests, uploads,
-- sockets and jobs.
local cjson = require("cjson")
local cqueues = require("cqueues")
local cqueues_socket = require("cqueues.socket")
local clients = require("tests.support.client")
local ledger = require("tests.support.ledger")
local loads = require("tests.support.load")
local pictures = require("tests.support.pictures")
local probes = require("tests.support.probe")
local servers = require("tests.support.server")
local traffics = require("tests.support.traffic")

local UPLOADS, PIECES, PIECE_PAUSE_S = 8, 6, 0.25

local JOBS = [[
local task = require("core.task")
local function sleeper(ms)
  return { timeout_ms = 120000, run = function() assert(task.sleep(ms)) end }
end
return { handlers = { ["probe.long"] = sleeper(60000), ["probe.short"] = sleeper(1500) } }
]]

describe("what is under way", function()
  local server, api, probe, token, jpeg

  setup(function()
    jpeg = pictures.jpeg(320, 320)
  end)

  before_each(function()
    probe = probes.new()
    probe:write("plugins/describe_probe/jobs.lua", JOBS)
    server = servers.start({ apart = true, env = { FIXXIT_ROOT = probe.root, FIXXIT_SERVER_WORKERS = 2,
      FIXXIT_LIMITS_SCALE = 10000 } })
    api = server.api
    token = api:login("dispatcher@riverton.example").token
  end)

  after_each(function()
    server:stop()
    probe:remove()
  end)

  -- An upload in pieces; the first ones are sent before `go.now`, the others after it.
  local function upload(go, number)
    local body, content_type = clients.multipart({
      { "data", cjson.encode({ title = "Under way " .. number, category = "other",
        location = { description = "half sent" } }) },
      { "photos", jpeg, filename = "a.jpg", type = "image/jpeg" },
    })
    local socket = cqueues_socket.connect("127.0.0.1", server.port)
    socket:setmode("b", "bn")
    socket:settimeout(30)
    socket:write(("POST /api/v1/reports HTTP/1.1\r\nHost: localhost\r\nX-Tenant: riverton\r\n"
      .. "Content-Type: %s\r\nContent-Length: %d\r\n\r\n"):format(content_type, #body))
    local size = math.ceil(#body / PIECES)
    for i = 1, PIECES do
      socket:write(body:sub((i - 1) * size + 1, i * size))
      go.begun = go.begun + (i == 2 and 1 or 0)
      while i == 2 and not go.now do
        cqueues.sleep(0.02)
      end
      cqueues.sleep(PIECE_PAUSE_S)
    end
    go.answers[number] = socket:read("*l") or "nothing"
    socket:close()
  end

  local function begin_uploads(loop)
    local go = { begun = 0, answers = {} }
    for i = 1, UPLOADS do
      loop:wrap(function()
        upload(go, i)
      end)
    end
    return go
  end

  local function await(check, seconds)
    local deadline = cqueues.monotime() + (seconds or 30)
    while not check() do
      assert(cqueues.monotime() < deadline, "it did not come to that")
      cqueues.sleep(0.05)
    end
  end

  local function enqueue(name)
    server:sql(("INSERT INTO jobs (id, queue, name, payload, priority, state, run_at) VALUES (UUID(), "
      .. "'default', '%s', '{}', 1, 'waiting', NOW(3))"):format(name))
  end

  local function job(name)
    return (server:sql(("SELECT state, attempts FROM jobs WHERE name = '%s'"):format(name)):gsub("%s+", " "))
  end

  local function begin_jobs()
    enqueue("probe.long")
    enqueue("probe.short")
    await(function()
      return job("probe.long") == "running 1 " and job("probe.short") == "running 1 "
    end)
  end

  local function check_uploads(go)
    for i = 1, UPLOADS do
      assert.matches("^HTTP/1%.1 201 ", go.answers[i])
    end
    assert.equal(UPLOADS .. "\n", server:sql("SELECT COUNT(*) FROM reports r WHERE title LIKE 'Under way %' "
      .. "AND EXISTS (SELECT 1 FROM attachments a WHERE a.parent_id = r.id)"))
  end

  it("ends well when the server stops: answers are given, sockets told, jobs finished or given back", function()
    local loop = cqueues.new()
    local load = loads.start(loop, { port = server.port, path = "/api/v1/reports?limit=5", token = token,
      clients = 8, ends_at_close = true })
    local go = begin_uploads(loop)
    local codes = {}
    for i = 1, 4 do
      loop:wrap(function()
        local socket = api:socket("token=" .. token)
        assert(socket:expect("auth:ok"))
        repeat
          local message, code = socket:receive(20)
          codes[i] = code
        until not message
      end)
    end
    loop:wrap(function()
      begin_jobs()
      await(function()
        return go.begun == UPLOADS and load.requests > 100
      end)
      servers.shell("kill -TERM " .. server.pid)
      go.now = true
    end)
    assert(loop:loop())
    assert.same({}, load.failures)
    assert.equal(8, load.closed)
    assert.same({ 1001, 1001, 1001, 1001 }, codes)
    require("tests.support.process").await_end(server.pid, 15)
    check_uploads(go)
    assert.equal("waiting 0 ", job("probe.long"))
    assert.equal("done 1 ", job("probe.short"))
  end)

  it("goes on when the binary is exchanged: nobody is refused, sockets come back and miss nothing", function()
    local loop = cqueues.new()
    local old = server:pids()
    local traffic = traffics.start(loop, { api = api, token = token, prefix = "Upgraded ", reporters = 3,
      readers = 3, sockets = 4, come_back = true })
    local go = begin_uploads(loop)
    local unheard
    loop:wrap(function()
      begin_jobs()
      assert(traffic:await(50, 30))
      await(function()
        return go.begun == UPLOADS
      end)
      servers.shell("kill -USR2 " .. server:master())
      go.now = true
      await(function()
        local _, status = server:command("status")
        for _, pid in ipairs(old) do
          if status:find("pid " .. pid .. " ", 1, true) then
            return false
          end
        end
        return true
      end, 60)
      await(function()
        return job("probe.long") == "running 1 " -- by a new worker, as if for the first time
      end)
      assert(traffic:await(50, 30))
      unheard = traffic:finish()
    end)
    assert(loop:loop())
    assert.same({}, traffic.failures)
    assert.equal(0, traffic.later)
    assert.equal(0, unheard)
    assert.equal(4, traffic.came_back)
    check_uploads(go)
    assert.equal("done 1 ", job("probe.short"))
    ledger.check(server, "Upgraded ", traffic.acknowledged)
  end)
end)
