local trace = require("core.trace")

local TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

describe("a trace's id", function()
  it("is taken from a traceparent of version 00", function()
    assert.equal(TRACE, trace.id_of("00-" .. TRACE .. "-" .. PARENT .. "-01"))
  end)

  it("is taken from a later version, which may have more fields", function()
    assert.equal(TRACE, trace.id_of("cc-" .. TRACE .. "-" .. PARENT .. "-01-what-comes"))
  end)

  it("is a new one when the header is missing or wrong", function()
    local seen = {}
    for _, header in ipairs({
      "", "00", "ff-" .. TRACE .. "-" .. PARENT .. "-01", "00-" .. TRACE .. "-" .. PARENT .. "-01-x",
      "00-" .. TRACE:upper() .. "-" .. PARENT .. "-01", "00-" .. TRACE .. "-" .. PARENT:upper() .. "-01",
      "00-" .. ("0"):rep(32) .. "-" .. PARENT .. "-01", "00-" .. TRACE .. "-" .. ("0"):rep(16) .. "-01",
      "00-" .. TRACE:sub(2) .. "-" .. PARENT .. "-01", "00-" .. TRACE .. "-" .. PARENT .. "-0",
      "0A-" .. TRACE .. "-" .. PARENT .. "-01", "cc-" .. TRACE .. "-" .. PARENT .. "-01x",
    }) do
      local id = trace.id_of(header)
      assert.matches("^%x+$", id)
      assert.equal(32, #id)
      assert.not_equal(TRACE, id)
      assert.is_nil(seen[id])
      seen[id] = true
    end
    assert.equal(32, #trace.id_of(nil))
  end)
end)
