-- All workers of a node run the same bytes: those of the last reload, whatever lies on disk now and
-- whichever worker was started again since.
local probes = require("tests.support.probe")
local servers = require("tests.support.server")

local BROKEN = "return {\n  value = function( return end\n}\n"

describe("a generation", function()
  local server, api, probe

  setup(function()
    probe = probes.new()
    server = servers.start({ env = { FIXXIT_ROOT = probe.root, FIXXIT_SERVER_WORKERS = 2,
      FIXXIT_LIMITS_SCALE = 10000 } })
    api = server.api
  end)

  teardown(function()
    server:stop()
    probe:remove()
  end)

  local function eventually(check)
    for _ = 1, 600 do
      if check() then
        return true
      end
      servers.sleep(0.05)
    end
    return false
  end

  local function all_up()
    local _, text = server:command("status")
    return not text:find("starting") and not text:find("down") and text:find("http 2") ~= nil
  end

  local function reload()
    return servers.shell(("FIXXIT_ROOT=%s FIXXIT_ENV=test FIXXIT_DATA=%s %s reload"):format(
      probe.root, server.data, servers.BIN))
  end

  local function kill(pid)
    servers.shell("kill -KILL " .. pid)
  end

  -- The values that the workers answer, each connection being taken by one or the other.
  local function values()
    local seen = {}
    for _ = 1, 40 do
      local answer = api:get("/probe")
      assert.equal(200, answer.status, answer.body)
      seen[answer.json.data.value] = true
    end
    return seen
  end

  local function becomes(wanted)
    assert.is_true(eventually(all_up), server:log_text())
    assert.same({ [wanted] = true }, values())
  end

  it("is what a worker is started on while something broken lies on disk", function()
    probe:save(BROKEN)
    for _, pid in ipairs(server:pids("http")) do
      kill(pid)
      assert.is_true(eventually(all_up), server:log_text())
    end
    for _, pid in ipairs(server:pids("job")) do
      kill(pid)
    end
    becomes(0)
    local code, output = reload()
    assert.equal(1, code, output)
    assert.matches("plugins/describe_probe/service%.lua:2", output)
    for _, pid in ipairs(server:pids("http")) do
      kill(pid) -- all at once
    end
    becomes(0)
    probe:set(1)
    code, output = reload()
    assert.equal(0, code, output)
    becomes(1)
  end)

  it("is what a worker is started on after files were changed and not reloaded", function()
    probe:set(2)
    kill(server:pids("http")[1])
    becomes(1)
    assert.equal(0, (reload()))
    becomes(2)
  end)

  it("is the same for all when workers die while it is built", function()
    for i = 10, 15 do
      probe:set(i)
      kill(server:pids("http")[1 + i % 2])
      local code, output = reload()
      if code ~= 0 then -- the one that died had been asked already
        assert.matches("died of it", output)
        assert.equal(0, (reload()))
      end
      becomes(i)
    end
  end)

  it("is not taken when a worker dies of building it", function()
    local serving = server:pids("http")
    probe:save("os.exit(3)")
    local code, output = reload()
    assert.equal(1, code, output)
    assert.matches("died of it", output)
    assert.same(serving, server:pids("http")) -- it was one that runs jobs
    becomes(15)
    probe:set(16)
    assert.equal(0, (reload()))
    becomes(16)
  end)

  it("leaves no files behind when nobody runs it any more", function()
    assert.is_true(eventually(function()
      assert.equal(0, (reload()))
      local _, text = servers.shell("ls " .. server.data .. "/run/generations | wc -l")
      return tonumber(text) <= 3
    end))
  end)
end)
