-- Two thousand clients of each kind that send a byte a second.
local slow = require("tests.support.slow")
local servers = require("tests.support.server")

local COUNT, LIMIT_S = tonumber(os.getenv("TEST_SLOW_CLIENTS") or 2000), 15

describe("two thousand clients that send a byte a second", function()
  local server

  setup(function()
    server = servers.start({ env = slow.env(LIMIT_S) })
  end)

  teardown(function()
    server:stop()
  end)

  for kind in pairs(slow.KINDS) do
    it("are told so when the time for a " .. kind .. " is over, and cost little", function()
      local outcome = slow.run(server, { kind }, COUNT)
      print(("\n# %d clients with a %s: %.1f KB each, %d requests of others meanwhile"):format(COUNT, kind,
        (outcome.during_bytes - outcome.before_bytes) / COUNT / 1024, outcome.load.requests))
      assert.same({}, slow.complaints(outcome, LIMIT_S))
    end)
  end
end)
