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

  it("measures what tenants' rules cost", function()
    local out = os.tmpname()
    local code, text = servers.shell("make --no-print-directory bench-rules SECONDS=1 ROUNDS=1 TRIES=1 "
      .. "TENANTS=10 OUT=" .. out)
    local written = servers.read_file(out)
    os.remove(out)
    assert.equal(0, code, text)
    for _, name in ipairs({ "a run that reads", "a call of kv.get", "a before hook", "GET /reports/:id",
      "from a publication", "10 tenants" }) do
      assert.truthy(written:find("\n| " .. name .. "[^|]+| [^|]*%d[^|]*| "), text)
    end
  end)
end)
