-- What `make run` says that there is, is there.
local patience = require("tests.support.patience")
local servers = require("tests.support.server")

local WAIT_S = 10 * patience

local server, said

-- It is said a moment after the server is ready.
setup(function()
  server = servers.start()
  for _ = 1, WAIT_S * 20 do
    said = server:log_text():match("\n  Fixxit is at .-Ctrl%-C ends it")
    if said then
      return
    end
    servers.sleep(0.05)
  end
  error("nothing was said: " .. server:log_text())
end)

teardown(function()
  server:stop()
end)

describe("what is said at the beginning", function()
  it("names pages that answer", function()
    local count = 0
    for path in said:gmatch("\n    (/%S+) ") do
      local answer = server.api:get(path, { root = true })
      assert.equal(200, answer.status, path)
      assert.matches("^text/html", answer.headers["content-type"])
      count = count + 1
    end
    assert.equal(3, count)
  end)

  it("names people who can sign in", function()
    local count = 0
    for names, domain in said:gmatch("{([%w, ]+)}@(%w+)%.example") do
      for name in names:gmatch("%w+") do
        assert.truthy(server.api:login(name .. "@" .. domain .. ".example").token)
        count = count + 1
      end
    end
    assert.equal(15, count)
  end)
end)

describe("the end", function()
  it("is a good one, however often it is asked for", function()
    for _ = 1, 5 do
      servers.shell("kill -TERM " .. server.pid)
      servers.sleep(0.05)
    end
    server:stop(true) -- tells what is left running
    local file = assert(io.open(server.data .. "/log/mariadb.log"))
    assert.matches("Shutdown complete%s*$", file:read("*a"))
    file:close()
  end)
end)
