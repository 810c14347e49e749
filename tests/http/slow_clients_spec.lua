-- Clients that send a byte a second hold a connection, and nothing else, until their time is over.
-- tests/full has two thousand of each kind.
local slow = require("tests.support.slow")
local servers = require("tests.support.server")

local COUNT, LIMIT_S = 300, 3

describe("clients that send a byte a second", function()
  local server

  setup(function()
    server = servers.start({ env = slow.env(LIMIT_S) })
  end)

  teardown(function()
    server:stop()
  end)

  it("are told so when their time is over, and disturb nobody", function()
    local outcome = slow.run(server, { "head", "JSON body", "form" }, COUNT)
    assert.same({}, slow.complaints(outcome, LIMIT_S))
  end)
end)
