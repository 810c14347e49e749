-- Bad luck: dependencies that die, a Lua error, processes that are killed.
local servers = require("tests.support.server")

local function report()
  return { title = "Broken lamp", category = "street_light", location = { description = "by the gate" } }
end

local function pid_of(server, name)
  local _, text = servers.shell(("pgrep -f '[%s]%s.*%s'"):format(name:sub(1, 1), name:sub(2), server.data)) -- not this shell
  return assert(tonumber(text:match("%d+")), name .. " does not run")
end

--- Repeats until `wanted` is true. @return seconds it took, or nil
local function within(seconds, wanted)
  for i = 1, seconds * 20 do
    if wanted() then
      return i / 20
    end
    servers.sleep(0.05)
  end
end

describe("bad luck", function()
  local server, api

  setup(function()
    server = servers.start()
    api = server.api
  end)

  teardown(function()
    server:stop()
  end)

  local function post()
    return api:post("/reports", { tenant = "riverton", json = report() })
  end

  it("answers 503 with Retry-After while MariaDB hangs or is gone, and is back by itself", function()
    local token = api:login("dispatcher@riverton.example").token
    local pid = pid_of(server, "mariadbd")
    servers.shell("kill -STOP " .. pid)
    local answer = api:get("/reports", { token = token })
    assert.equal(503, answer.status, answer.body)
    assert.equal("SERVICE_UNAVAILABLE", answer.json.error.code)
    assert.truthy(tonumber(answer.headers["retry-after"]))
    for path, root in pairs({ ["/ready"] = true, ["/system/health"] = false }) do
      answer = api:get(path, { root = root })
      assert.equal(503, answer.status, answer.body)
      assert.truthy(tonumber(answer.headers["retry-after"]), path)
    end
    assert.equal(200, api:get("/health", { root = true }).status)
    servers.shell("kill -CONT " .. pid)
    assert.truthy(within(10, function()
      return post().status == 201
    end))
  end)

  it("works on without Redis, events included", function()
    local pid = pid_of(server, "redis-server")
    servers.shell("kill -STOP " .. pid)
    local token = api:login("dispatcher@riverton.example").token
    local socket = api:socket("token=" .. token)
    assert.truthy(socket:expect("auth:ok"))
    local answer = post()
    assert.equal(201, answer.status, answer.body)
    assert.truthy(socket:expect(function(message)
      return message.event == "report:created" and message.data.id == answer.json.data.id
    end, 5))
    socket:close()
    servers.shell("kill -CONT " .. pid)
  end)

  it("replaces a worker that was killed", function()
    local before = server:pids("http")
    for _, pid in ipairs(before) do
      servers.shell("kill -KILL " .. pid)
    end
    assert.truthy(within(5, function()
      local ok, answer = pcall(post)
      return ok and answer.status == 201
    end))
    assert.are_not.same(before, server:pids("http"))
  end)

  it("replaces the image process that was killed", function()
    for _, pid in ipairs(server:pids("image")) do
      servers.shell("kill -KILL " .. pid)
    end
    local pictures = require("tests.support.pictures")
    local jpeg = pictures.jpeg(64, 64)
    assert.truthy(within(5, function()
      return api:post("/reports", { tenant = "riverton", multipart = {
        { "data", require("cjson").encode(report()) },
        { "photos", jpeg, filename = "a.jpg", type = "image/jpeg" },
      } }).status == 201
    end))
  end)
end)
