-- Saved Lua is seen at once, without a lost request or socket; broken Lua changes nothing.
local cjson = require("cjson")
local cqueues = require("cqueues")
local cqueues_socket = require("cqueues.socket")
local probes = require("tests.support.probe")
local servers = require("tests.support.server")

describe("a reload", function()
  local server, api, probe, token

  setup(function()
    probe = probes.new()
    server = servers.start({ env = { FIXXIT_ROOT = probe.root, FIXXIT_SERVER_RELOAD_WATCH = "true" } })
    api = server.api
    token = api:login("dispatcher@riverton.example").token
  end)

  teardown(function()
    server:stop()
    probe:remove()
  end)

  local function value()
    return probe:value(api)
  end

  -- @return the exit code of a command, and the JSON that it printed
  local function json_of(words)
    local code, output = server:command(words)
    return code, cjson.decode(output)
  end

  local function becomes(wanted, seconds)
    for _ = 1, seconds * 50 do
      if value() == wanted then
        return true
      end
      cqueues.sleep(0.02)
    end
    return false
  end

  it("shows a saved file at once, with a socket open and requests going on", function()
    local socket = api:socket("token=" .. token)
    assert.truthy(socket:expect("auth:ok"))
    local failed, requests, running = 0, 0, true
    local loop = cqueues.new()
    loop:wrap(function()
      while running do
        local ok, answer = pcall(api.get, api, "/reports", { token = token })
        requests = requests + 1
        if not ok or answer.status ~= 200 then
          failed = failed + 1
        end
      end
    end)
    local seen = true
    loop:wrap(function()
      for i = 1, 20 do
        probe:set(i)
        seen = seen and becomes(i, 3)
      end
      running = false
    end)
    assert(loop:loop())
    assert.is_true(seen, "a change was not seen")
    assert.equal(0, failed)
    assert.truthy(requests > 20)
    local created = api:post("/reports", { tenant = "riverton",
      json = { title = "After the reloads", category = "other", location = { description = "here" } } })
    local event = socket:expect_event("report:created", 5)
    assert.equal(created.json.data.id, event and event.data.id)
    socket:close()
  end)

  it("waits for the migrations that it needs: until then the Lua before serves on", function()
    probe:set(41)
    assert.is_true(becomes(41, 3))
    probe:write("migrations/9999_make_probes.sql", "-- up\nCREATE TABLE probes (id INT PRIMARY KEY);\n"
      .. "\n-- down\nDROP TABLE probes;\n")
    probe:set(42)
    local code, output = server:command("reload")
    assert.equal(1, code)
    assert.matches("migrations are pending (1): run fixxit migrate, then reload", output, 1, true)
    assert.equal(41, value())
    code, output = servers.shell(("FIXXIT_ROOT=%s FIXXIT_ENV=test FIXXIT_DATA=%s %s migrate"):format(
      probe.root, server.data, servers.BIN))
    assert.equal(0, code, output)
    code, output = server:command("reload")
    assert.equal(0, code, output)
    assert.is_true(becomes(42, 3))
  end)

  it("runs what is saved in a tenant's folder, if it can be published", function()
    local owner = api:login("owner@riverton.example").token
    local function save(rule)
      probe:write("tenants/riverton/rules/saved.lua", rule)
    end
    local function tag_becomes(wanted)
      for _ = 1, 200 do
        local answer = api:post("/reports", { token = owner,
          json = { title = "Loose slab", category = "other", location = { description = "here" } } })
        local tags = answer.json.data.tags
        if tags and tags[1] == wanted then
          return true
        end
        cqueues.sleep(0.05)
      end
      return false
    end
    save('before("report.create", function(report) report.tags = { "one" } end)\n')
    assert.is_true(tag_becomes("one"))
    local running = api:get("/scripts", { token = owner }).json.data.active
    assert.equal("active", running.state)
    assert.equal(cjson.null, running.release)
    save('before("report.create", function(report) report.tags = { two } end)\n')
    for _ = 1, 200 do
      if server:log_text():find("tenants/riverton/rules/saved.lua:1:62", 1, true) then
        break
      end
      cqueues.sleep(0.05)
    end
    assert.truthy(server:log_text():find("unknown name 'two'", 1, true))
    assert.is_true(tag_becomes("one"))
    save('before("report.create", function(report) report.tags = { "two" } end)\n')
    assert.is_true(tag_becomes("two"))
  end)

  it("keeps the old generation when the new one is broken, and names file and line", function()
    probe:save("return { value = function() return 'good' end }\n")
    assert.is_true(becomes("good", 3))
    probe:save("return {\n  value = function( return end\n}\n")
    local code, output = servers.shell(("FIXXIT_ROOT=%s FIXXIT_ENV=test FIXXIT_DATA=%s %s reload"):format(
      probe.root, server.data, servers.BIN))
    assert.equal(1, code, output)
    assert.matches("service%.lua:2", output)
    local told
    code, told = json_of("reload --json")
    assert.same({ 1, false }, { code, told.ok })
    assert.matches("service%.lua:2", told.message)
    assert.equal("good", value())
    probe:save("return { value = function() return 'mended' end }\n")
    assert.is_true(becomes("mended", 3))
    code, output = servers.shell(("FIXXIT_ROOT=%s FIXXIT_ENV=test FIXXIT_DATA=%s %s reload"):format(
      probe.root, server.data, servers.BIN))
    assert.equal(0, code, output)
    code, told = json_of("reload --json")
    assert.same({ 0, true }, { code, told.ok })
    local names, exit_code, processes = {}, json_of("status --json")
    for i, process in ipairs(processes) do
      assert.equal("up", process.state)
      assert.is_true(require("tests.support.process").lives(process.pid))
      names[i] = process.name
    end
    assert.equal(0, exit_code)
    assert.matches("http 1 job 1", table.concat(names, " "), 1, true)
  end)

  it("is not kept waiting by those who are connected to the master and say nothing", function()
    local silent = {}
    for i = 1, 20 do
      silent[i] = cqueues_socket.connect({ path = server.data .. "/run/control.sock",
        type = cqueues_socket.SOCK_SEQPACKET })
      assert(silent[i]:connect(5))
    end
    local code, output = server:command("reload")
    assert.equal(0, code, output)
    for _, each in ipairs(silent) do
      each:close()
    end
  end)

  it("answers 500 with a request id for a Lua error, and keeps the traceback in the log", function()
    probe:save("return { value = function() error('secret_of_the_house') end }\n")
    local answer
    for _ = 1, 150 do
      answer = api:get("/probe")
      if answer.status == 500 then
        break
      end
      cqueues.sleep(0.02)
    end
    assert.equal(500, answer.status)
    assert.equal("INTERNAL", answer.json.error.code)
    assert.is_nil(answer.body:find("secret_of_the_house", 1, true))
    assert.is_nil(answer.body:find("traceback", 1, true))
    servers.sleep(0.2)
    assert.truthy(server:log_text():find("secret_of_the_house", 1, true))
    assert.truthy(server:log_text():find(answer.json.error.requestId, 1, true))
  end)
end)
