-- The description of the API under a validator; a browser on its page, on the stream of events, and on
-- the dashboard.
local expect = require("tests.support.expect")
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

  it("chromium sees the time for a report run out", function()
    local title = "A lamp for which nobody has time"
    local staff = server.api:login("dispatcher@riverton.example")
    local report = expect.ok(server.api:post("/reports", { token = staff.token,
      json = { title = title, category = "street_light", location = { description = "Weir Lane" } } }), 201)
    local order = expect.ok(server.api:post("/workorders", { token = staff.token, json = { reportId = report.id } }), 201)
    -- of the 72 hours that there are for a lamp
    local shift = ("UPDATE sla_clocks SET since = since - INTERVAL 37 HOUR, wake_at = NOW(3) WHERE resource_id IN ('%s', '%s')")
      :format(report.id, order.id)
    server:sql(shift)
    for _ = 1, 300 do
      local steps = expect.ok(server.api:get("/workorders/" .. order.id, { token = staff.token })).escalations
      if #steps > 0 and #expect.ok(server.api:get("/reports/" .. report.id, { token = staff.token })).escalations > 0 then
        break
      end
      servers.sleep(0.1)
    end
    run("escalations.js", server.port, "'" .. title .. "'",
      ("\"mariadb --no-defaults -uroot -S %s/run/mariadb.sock fixxit -e \\\"%s\\\"\""):format(server.data, shift))
  end)
end)
