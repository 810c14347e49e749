-- The description of the API under a validator; a browser on its page, and on the stream of events.
local servers = require("tests.support.server")

describe("of npm and Debian", function()
  local server

  before_each(function()
    server = servers.start({ env = { FIXXIT_SERVER_WORKERS = 2 } })
  end)

  after_each(function()
    server:stop()
  end)

  local function run(...)
    local code, text = servers.shell("node tests/clients/" .. table.concat({ ... }, " "))
    assert.matches("%d+ passed, 0 failed\n$", text)
    assert.equal(0, code, text)
  end

  it("a validator finds the description of the API valid", function()
    run("openapi.js", server.port)
  end)

  it("chromium shows the description of the API", function()
    run("apidocs.js", server.port)
  end)

  it("chromium hears events, and goes on with those that it missed when a worker died", function()
    local token = server.api:login("dispatcher@riverton.example").token
    run("event_source.js", server.port, token, unpack(server:pids("http")))
  end)
end)
