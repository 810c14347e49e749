-- A disk that is full, at every point at which something is written.
local cjson = require("cjson")
local ledger = require("tests.support.ledger")
local pictures = require("tests.support.pictures")
local probes = require("tests.support.probe")
local servers = require("tests.support.server")

local DISK_MB = 16
local PAGE = 4096

-- Saves what another server sends, in this case itself.
local FETCH = [[
  { method = "GET", path = "/fetch", summary = "Saves a page.", permission = "public", tenant = false,
    handler = function()
      local settings, fs = require("core.config").get(), require("core.fs")
      local path = settings.server.data .. "/tmp/fetched"
      local task = require("core.task")
      local _, err = require("core.http_client").request({ save = path,
        url = ("http://127.0.0.1:%d/api/v1/openapi.json"):format(settings.http.port) })
      local there = fs.stat(path) ~= nil
      for _ = 1, err and 100 or 0 do -- it is removed in the thread pool, a moment later
        there = there and task.sleep(20) and fs.stat(path) ~= nil
      end
      fs.unlink(path)
      return reply.ok({ code = err and err.code or "saved", there = there })
    end },
]]

describe("a disk that is full", function()
  local server, api, disk, jpeg, token, probe

  setup(function()
    probe = probes.new(FETCH)
    server = servers.start({ apart = true, disk_mb = DISK_MB, env = { FIXXIT_LIMITS_SCALE = 10000,
      FIXXIT_ROOT = probe.root } })
    api, disk = server.api, server.disk
    jpeg = pictures.jpeg(320, 320)
    token = api:login("dispatcher@riverton.example").token
  end)

  teardown(function()
    server:stop()
    probe:remove()
  end)

  local function post(title, photo)
    return api:post("/reports", { tenant = "riverton", multipart = {
      { "data", cjson.encode({ title = title, category = "other", location = { description = "here" } }) },
      { "photos", photo, filename = "a.jpg", type = "image/jpeg" },
    } })
  end

  local function count(statement)
    return tonumber(server:sql(statement))
  end

  local function rows()
    return server:sql("SELECT (SELECT COUNT(*) FROM reports), (SELECT COUNT(*) FROM files), "
      .. "(SELECT COUNT(*) FROM attachments), (SELECT COUNT(*) FROM audit_logs)")
  end

  -- Files go in the thread pool, a moment after the answer.
  local function becomes(wanted, read)
    local seen
    for _ = 1, 200 do
      seen = read()
      if seen == wanted then
        return
      end
      servers.sleep(0.05)
    end
    assert.equal(wanted, seen)
  end

  local function stored()
    return disk:files("files tmp cache")
  end

  it("refuses uploads with 507 and keeps nothing of them, however little room there is", function()
    local refused, taken = 0, 0
    -- from no room at all to enough for the upload, the cleaned picture and its folders
    for free = 0, #jpeg * 3, PAGE * 2 do
      local files, before = stored(), rows()
      disk:fill(free)
      local title = "Full disk " .. free
      local answer = post(title, pictures.jpeg(320, 320)) -- another content each time
      if answer.status == 507 then
        refused = refused + 1
        assert.equal("STORAGE_FULL", answer.json.error.code)
        assert.equal(before, rows())
        becomes(files, stored)
      else
        taken = taken + 1
        assert.equal(201, answer.status, answer.body)
        local url = answer.json.data.attachments[1].url
        assert.equal(200, api:get(url, { token = token }).status)
      end
      disk:empty()
    end
    assert.truthy(refused >= 5, refused .. " refused")
    assert.truthy(taken >= 1, "none was taken")
    assert.equal(taken, count("SELECT COUNT(*) FROM reports WHERE title LIKE 'Full disk %'"))
  end)

  it("refuses a thumbnail that cannot be kept, and makes it when it can", function()
    local answer = post("A picture", pictures.jpeg(640, 640))
    assert.equal(201, answer.status, answer.body)
    local url = answer.json.data.attachments[1].thumbnailUrl
    becomes("", function() -- what goes later would make room
      return disk:files("tmp")
    end)
    local files = stored()
    disk:fill(PAGE)
    local refused = api:get(url, { token = token })
    assert.equal(507, refused.status)
    assert.equal("STORAGE_FULL", refused.json.error.code)
    becomes(files, stored)
    disk:empty()
    assert.equal(200, api:get(url, { token = token }).status)
  end)

  it("ends what another server sends, and keeps no part of it", function()
    for _, free in ipairs({ 0, PAGE * 3 }) do
      disk:fill(free)
      assert.same({ code = "DISK_FULL", there = false }, api:get("/fetch").json.data)
      disk:empty()
    end
    assert.same({ code = "saved", there = true }, api:get("/fetch").json.data)
  end)

  it("stops nothing that needs no disk, and says so to monitors", function()
    disk:fill(0)
    local created = api:post("/reports", { tenant = "riverton", json = { title = "No picture",
      category = "other", location = { description = "here" } } })
    assert.equal(201, created.status, created.body)
    assert.equal(200, api:get("/reports", { token = token }).status)
    assert.equal(200, api:get("/ready", { root = true }).status)
    local health = api:get("/system/health")
    assert.equal(200, health.status)
    assert.equal("degraded", health.json.data.status)
    assert.equal("full", health.json.data.services.storage.status)
    local socket = api:socket("token=" .. token)
    assert.truthy(socket:expect("auth:ok"))
    socket:close()
    disk:empty()
  end)

  it("stops no reload for good, and no generation is taken by half", function()
    disk:fill(PAGE * 8)
    local code, output = server:command("reload")
    assert.equal(1, code, output)
    assert.matches("No space left on device", output)
    assert.equal("1\n", select(2, servers.shell("ls " .. disk.folder .. "/run/generations | wc -l")))
    assert.equal(200, api:get("/reports", { token = token }).status)
    for _, pid in ipairs(server:pids("http")) do
      servers.shell("kill -KILL " .. pid)
    end
    becomes(200, function()
      local ok, answered = pcall(api.get, api, "/reports", { token = token })
      return ok and answered.status
    end)
    disk:empty()
    assert.equal(0, (server:command("reload")))
  end)
end)

describe("a full disk under MariaDB", function()
  it("refuses what would be written with 507, half of nothing, until there is room", function()
    local server = servers.start({ apart = true, mariadb_disk_mb = 48,
      env = { FIXXIT_LIMITS_SCALE = 10000 } })
    finally(function()
      server:stop()
    end)
    local api, disk = server.api, server.dependencies.mariadb.disk
    local pids = server:pids()
    local token = api:login("dispatcher@riverton.example").token
    local acknowledged = {}
    local function post(i)
      local answer = api:post("/reports", { tenant = "riverton", json = { title = "Full database " .. i,
        description = ("much "):rep(1000), category = "other", location = { description = "here" } } })
      if answer.status == 201 then
        acknowledged[answer.json.data.id] = true
      end
      return answer
    end
    assert.equal(201, post(0).status)
    disk:fill(0)
    local refused = 0
    for i = 1, 400 do
      local answer = post(i)
      if answer.status ~= 201 then
        assert.equal(507, answer.status, answer.body)
        assert.equal("STORAGE_FULL", answer.json.error.code)
        refused = refused + 1
        if refused == 20 then
          break
        end
      end
    end
    assert.equal(20, refused)
    assert.equal(200, api:get("/reports", { token = token }).status)
    assert.equal(200, api:get("/ready", { root = true }).status)
    disk:empty()
    assert.equal(201, post("again").status)
    assert.same(pids, server:pids())
    ledger.check(server, "Full database ", acknowledged)
  end)
end)

describe("a full disk under the access log", function()
  it("costs lines and nothing else; they come again with the room", function()
    local server = servers.start({ apart = true, disk_mb = DISK_MB,
      env = { FIXXIT_LIMITS_SCALE = 10000, FIXXIT_LOG_ACCESS = "{data}/small/access.log" } })
    finally(function()
      server:stop()
    end)
    local api, disk = server.api, server.disk
    local function dropped()
      return tonumber(api:get("/metrics", { root = true }).body:match("\nfixxit_log_dropped_total (%d+)"))
    end
    for _ = 1, 100 do
      disk:fill(0) -- once more: what goes meanwhile makes room
      for _ = 1, 200 do -- more than the last page of the log holds
        assert.equal(200, api:get("/health", { root = true }).status)
      end
      if dropped() > 0 then
        break
      end
    end
    assert.truthy(dropped() > 0)
    disk:empty()
    local found
    for i = 1, 200 do
      assert.equal(200, api:get("/health", { root = true, headers = { ["X-Request-Id"] = "again-" .. i } }).status)
      found = servers.shell(("grep -q again- %s/access.log"):format(disk.folder)) == 0 -- lines are gathered
      if found then
        break
      end
      servers.sleep(0.05)
    end
    assert.is_true(found)
    for line in io.lines(disk.folder .. "/access.log") do -- none is glued to the half of another
      assert.truthy(select(2, line:gsub("%d%d:%d%d:%d%d%.%d%d%dZ ", "")) <= 1, line)
    end
  end)
end)
