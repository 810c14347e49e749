local time = require("core.time")

describe("time", function()
  it("writes and reads ISO 8601", function()
    assert.equal("2026-11-20T09:12:44.120Z", time.iso(1795165964120))
    assert.equal(1795165964120, time.parse("2026-11-20T09:12:44.120Z"))
    assert.equal("1970-01-01T00:00:00.000Z", time.iso(0))
    assert.equal("2000-02-29T00:00:00.000Z", time.iso(time.parse("2000-02-29")))
  end)

  it("reads other zones and precisions", function()
    local noon = time.parse("2026-11-20T12:00:00Z")
    assert.equal(noon, time.parse("2026-11-20T14:00:00+02:00"))
    assert.equal(noon, time.parse("2026-11-20T06:30:00-0530"))
    assert.equal(noon, time.parse("2026-11-20T12:00Z"))
    assert.equal(noon + 123, time.parse("2026-11-20T12:00:00.123456Z"))
  end)

  it("agrees with itself over four centuries", function()
    for day = -80000, 80000, 37 do
      local ms = day * 86400000 + 12345
      assert.equal(ms, time.parse(time.iso(ms)))
    end
  end)

  it("refuses what is no time", function()
    for _, text in ipairs({ "", "2026", "2026-00-10", "2026-04-31", "2100-02-29",
      "2026-11-20T25:00:00Z", "2026-11-20T09:12:44", "2026-11-20T09:12:44.Z", "2026-11-20 x" }) do
      assert.is_nil(time.parse(text), text)
    end
    assert.is_nil(time.parse(nil))
  end)

  it("refuses what a DATETIME cannot hold, also when only the zone makes it so", function()
    for _, text in ipairs({ "0000-12-31", "0001-01-01T00:00:00+00:01",
      "9999-12-31T23:59:59-00:01" }) do
      assert.is_nil(time.parse(text), text)
    end
    assert.equal("0001-01-01T00:00:00.000Z", time.iso(time.parse("0001-01-01")))
    assert.equal("9999-12-31T23:59:59.999Z", time.iso(time.parse("9999-12-31T23:59:59.999Z")))
  end)

  it("writes parameters of the database", function()
    assert.equal("2026-11-20 09:12:44.120", time.db("2026-11-20T10:12:44.120+01:00"))
    assert.equal("2026-11-20 09:12:44.120", time.db("2026-11-20T09:12:44.120Z"))
    assert.equal("2026-11-20 09:12:44.120", time.db(1795165964120))
    assert.equal("1969-12-31 23:59:59.999", time.db(-1))
    assert.equal("2026-11-20 00:00:00.000", time.db("2026-11-20"))
    assert.is_nil(time.db(nil))
    for _, text in ipairs({ "soon", "2026-11-20T39:12:44.120Z", "2026-11-20T09:12:44.120z " }) do
      assert.has_error(function()
        time.db(text)
      end)
    end
  end)
end)
