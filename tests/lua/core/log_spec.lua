local host = require("host.log")
local log = require("core.log")

describe("a log line", function()
  it("never holds secrets or personal data", function()
    local written
    stub(host, "write", function(_, _, fields)
      written = fields
    end)
    stub(host, "enabled", function()
      return true
    end)
    package.loaded["core.log"] = nil
    local fresh = require("core.log")
    fresh.warn({ request_id = "r1", actor = { user_id = "u1" } }, "x", {
      password = "p1", newPassword = "p2", refreshToken = "t1", Authorization = "Bearer t2",
      nested = { apiKey = "k1", email = "a@b.example", phone = "123456", fine = "kept" },
    })
    host.write:revert()
    host.enabled:revert()
    package.loaded["core.log"] = log
    for _, secret in ipairs({ "p1", "p2", "t1", "t2", "k1", "a@b", "123456" }) do
      assert.is_nil(written:find('"' .. secret, 1, true), secret)
    end
    assert.matches('"fine":"kept"', written, 1, true)
    assert.matches('"requestId":"r1"', written, 1, true)
    assert.matches('"userId":"u1"', written, 1, true)
  end)
end)
