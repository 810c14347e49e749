-- A thousand reloads: nobody notices, and nothing is left behind.
local storm = require("tests.support.storm")

local RELOADS, SOCKETS = tonumber(os.getenv("TEST_RELOADS") or 1000), 500

describe("a thousand reloads under load", function()
  it("show each change, fail no request, drop no socket and leave the memory as it was", function()
    local report = storm.run({ reloads = RELOADS, sockets = SOCKETS })
    print(("\n# %d reloads in %.1f s, %d requests, %d sockets, HTTP workers %.1f MB after 10, %.1f MB after all")
      :format(report.reloads, report.seconds, report.requests, report.open, report.first_bytes / 1048576,
        report.last_bytes / 1048576))
    assert.same({}, report.failures)
    assert.equal(0, report.unseen)
    assert.equal(0, report.stale)
    assert.equal(0, report.dropped)
    assert.equal(SOCKETS, report.heard)
    assert.truthy(report.last_bytes < report.first_bytes * 1.1,
      ("%d bytes grew to %d"):format(report.first_bytes, report.last_bytes))
  end)
end)
