-- The short form of tests/full/reload_storm_spec.lua, which also watches the memory.
local storm = require("tests.support.storm")

local RELOADS, SOCKETS = 50, 20

describe("reloads one after another under load", function()
  it("show each change, fail no request and drop no socket", function()
    local report = storm.run({ reloads = RELOADS, sockets = SOCKETS })
    assert.same({}, report.failures)
    assert.equal(0, report.unseen)
    assert.equal(0, report.stale)
    assert.equal(0, report.dropped)
    assert.equal(SOCKETS, report.heard)
  end)
end)
