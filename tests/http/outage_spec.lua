-- MariaDB or Redis dies or hangs in the middle of the day. tests/full has the long form.
local outage = require("tests.support.outage")
local servers = require("tests.support.server")

-- An answer may take as long as a request may, and a moment for the machine.
local BOUND_S = 12

describe("with people at work", function()
  local server

  setup(function()
    server = servers.start({ apart = true, env = outage.ENV })
  end)

  teardown(function()
    server:stop()
  end)

  local function check_people(outcome)
    print(("\n# %d answers, %d told to come later, %d reports, slowest answer %.1f s"):format(
      outcome.traffic.answered, outcome.traffic.later, outcome.reports, outcome.traffic.slowest_s))
    assert.same({}, outcome.traffic.failures)
    assert.truthy(outcome.traffic.slowest_s < BOUND_S, outcome.traffic.slowest_s)
    assert.equal(0, outcome.unheard, "a socket missed a report")
    assert.truthy(outcome.reports >= outcome.traffic.count)
    assert.same(outcome.pids_before, outcome.pids_after)
    for name, well in pairs(outcome.recovered) do
      assert.is_true(well, "no recovery after " .. name)
      assert.equal("ok", outcome.after[name].status)
    end
  end

  it("a MariaDB that is killed or hangs costs some answers, and nothing else", function()
    local outcome = outage.run(server, { which = "mariadb", prefix = "Database outage ",
      faults = { killed = true, hung = true }, lasting_s = 3 })
    check_people(outcome)
    assert.truthy(outcome.traffic.later > 0)
    for name, seen in pairs(outcome.during) do
      assert.same({ alive = 200, ready = 503, status = "down", database = "down", redis = "up",
        database_metric = 0, redis_metric = 1 }, seen, name)
    end
  end)

  it("a Redis that is killed or hangs costs nobody anything", function()
    local outcome = outage.run(server, { which = "redis", prefix = "Cache outage ",
      faults = { killed = true, hung = true }, lasting_s = 2 })
    check_people(outcome)
    assert.equal(0, outcome.traffic.later)
    for name, seen in pairs(outcome.during) do
      assert.same({ alive = 200, ready = 200, status = "degraded", database = "up", redis = "down",
        database_metric = 1, redis_metric = 0 }, seen, name)
    end
  end)
end)
