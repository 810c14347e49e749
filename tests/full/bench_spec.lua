-- The benchmarks run and print a table. What they find is not looked at: it knows no pass or fail.
local servers = require("tests.support.server")

describe("make bench", function()
  it("measures Fixxit beside a rival and the floor", function()
    local out = os.tmpname()
    local code, text = servers.shell("make --no-print-directory bench ONLY=json SERVERS=fastify,fixed "
      .. "SECONDS=1 ROUNDS=1 OUT=" .. out)
    local written = servers.read_file(out)
    os.remove(out)
    assert.equal(0, code, text)
    for _, name in ipairs({ "Fixxit", "Fastify 5", "epoll, fixed bytes" }) do
      assert.truthy(written:find("\n| " .. name .. " | %d"), text)
    end
  end)
end)
