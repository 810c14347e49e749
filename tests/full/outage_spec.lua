-- MariaDB and Redis fail in every way, one after another, for longer: see tests/faults/outage_spec.lua.
local outage = require("tests.support.outage")
local servers = require("tests.support.server")

local ROUNDS, LASTING_S = tonumber(os.getenv("TEST_ROUNDS") or 3), 10

describe("with people at work, again and again", function()
  local server

  setup(function()
    server = servers.start({ apart = true, env = outage.ENV })
  end)

  teardown(function()
    server:stop()
  end)

  local every = {}
  for _, fault in ipairs(outage.FAULTS) do
    every[fault.name] = true
  end

  for _, which in ipairs({ "mariadb", "redis" }) do
    it(which .. " may fail in any way: nothing acknowledged is lost, nothing is done twice", function()
      for round = 1, ROUNDS do
        local outcome = outage.run(server, { which = which, faults = every, lasting_s = LASTING_S,
          prefix = ("%s round %d "):format(which, round) })
        print(("\n# %s: %d answers, %d told to come later, %d reports, slowest answer %.1f s, "
          .. "slowest event %.1f s"):format(
          which, outcome.traffic.answered, outcome.traffic.later, outcome.reports,
          outcome.traffic.slowest_s, outcome.traffic.slowest_event_s))
        assert.same({}, outcome.traffic.failures)
        assert.equal(0, outcome.unheard)
        assert.same(outcome.pids_before, outcome.pids_after)
        for name, well in pairs(outcome.recovered) do
          assert.is_true(well, name)
          assert.equal("ok", outcome.after[name].status)
        end
      end
    end)
  end
end)
