-- A disk that is full, at every point at which something is written.
local cjson = require("cjson")
local pictures = require("tests.support.pictures")
local servers = require("tests.support.server")

local DISK_MB = 16
local PAGE = 4096

describe("a disk that is full", function()
  local server, api, disk, jpeg, token

  setup(function()
    server = servers.start({ apart = true, disk_mb = DISK_MB, env = { FIXXIT_LIMITS_SCALE = 10000 } })
    api, disk = server.api, server.disk
    jpeg = pictures.jpeg(320, 320)
    token = api:login("dispatcher@riverton.example").token
  end)

  teardown(function()
    server:stop()
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
    for free = 0, #jpeg * 3, math.floor(#jpeg / 6 / PAGE) * PAGE do
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
    local files = stored()
    disk:fill(PAGE)
    local refused = api:get(url, { token = token })
    assert.equal(507, refused.status)
    assert.equal("STORAGE_FULL", refused.json.error.code)
    becomes(files, stored)
    disk:empty()
    assert.equal(200, api:get(url, { token = token }).status)
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

describe("a full disk under the access log", function()
  it("costs lines and nothing else; they come again with the room", function()
    local server = servers.start({ apart = true, disk_mb = DISK_MB,
      env = { FIXXIT_LIMITS_SCALE = 10000, FIXXIT_LOG_ACCESS = "{data}/small/access.log" } })
    local api, disk = server.api, server.disk
    disk:fill(0)
    for _ = 1, 200 do -- more than the last page of the log holds
      assert.equal(200, api:get("/health", { root = true }).status)
    end
    disk:empty()
    local found
    for i = 1, 200 do
      assert.equal(200, api:get("/health", { root = true, headers = { ["X-Request-Id"] = "again-" .. i } }).status)
      found = servers.shell(("grep -q again-%d %s/access.log"):format(i, disk.folder)) == 0
      if found then
        break
      end
      servers.sleep(0.05)
    end
    assert.is_true(found)
    server:stop()
  end)
end)
