-- Two nodes on one database: an event of either reaches the sockets of both, once and in order,
-- with Redis up, killed and back, and whoever leads the relay; schedules run once, and so does each
-- step of a clock.
local servers = require("tests.support.server")

local EACH = 6
local SOON_S = 20 -- a second is promised, and a lease runs for three

describe("events and schedules of two nodes", function()
  local one, two, nodes, sockets, dispatcher, last_seq

  setup(function()
    sockets = {}
    one = servers.start({ apart = true })
    two = servers.join(one)
    nodes = { one, two }
    dispatcher = one.api:login("dispatcher@riverton.example")
    for i, node in ipairs(nodes) do
      sockets[i] = node.api:socket("token=" .. dispatcher.token)
      assert(sockets[i]:expect("auth:ok"))
    end
  end)

  teardown(function()
    for _, socket in ipairs(sockets) do
      socket:close()
    end
    if two then -- else the set-up failed on the way
      two:stop()
    end
    one:stop()
  end)

  local count = 0
  -- A report on each node in turn; `meanwhile` runs when half of them are there.
  -- @return their ids in the order of their making
  local function report(meanwhile)
    local ids = {}
    for i = 1, EACH do
      if meanwhile and i == EACH / 2 then
        meanwhile()
      end
      count = count + 1
      local answer = nodes[i % #nodes + 1].api:post("/reports", { token = dispatcher.token, json = {
        title = "Lamp " .. count, category = "street_light",
        location = { latitude = 51 + count / 1000, longitude = -2.5 } } })
      assert.equal(201, answer.status, answer.body)
      ids[i] = answer.json.data.id
    end
    return ids
  end

  -- Both sockets hear of these reports and of nothing else, numbered without a hole.
  local function assert_heard(ids)
    local first = last_seq
    for _, socket in ipairs(sockets) do
      local seq = first
      for i = 1, #ids do
        local event = assert(socket:expect("event", SOON_S), "an event is missing")
        assert.equal("report:created", event.event)
        assert.equal(ids[i], event.data.id)
        assert.is_true(seq == nil or event.seq == seq + 1, "a hole or a double")
        seq = event.seq
      end
      last_seq = seq
    end
  end

  it("reach the sockets of both while Redis is up, killed, and back", function()
    local redis = one.dependencies.redis
    assert_heard(report())
    assert_heard(report(function()
      redis:kill()
    end))
    assert_heard(report())
    redis:start()
    redis:await()
    assert_heard(report())
  end)

  local function leader()
    return one:sql("SELECT holder FROM leases WHERE name = 'events.relay'"):match("[^\n]+")
  end

  it("are numbered on by another when the leader is killed", function()
    for _ = 1, 3 do
      local before = leader()
      assert_heard(report(function()
        servers.shell("kill -KILL " .. before:match(":(%d+):%d+$"))
      end))
      assert.not_equal(before, leader())
    end
    local numbers = one:sql([[SELECT COUNT(*), COUNT(DISTINCT seq), MAX(seq) - MIN(seq) + 1
      FROM event_log GROUP BY tenant_id]])
    for all, different, span in numbers:gmatch("(%d+)\t(%d+)\t(%d+)") do
      assert.equal(all, different)
      assert.equal(all, span)
    end
  end)

  local function runs(state)
    return tonumber(one:sql("SELECT COUNT(*) FROM jobs WHERE name = 'events.purge'"
      .. (state and " AND state = '" .. state .. "'" or "")))
  end

  it("begin a schedule that is due once", function()
    local before = runs()
    for round = 1, 5 do
      one:sql("UPDATE schedules SET next_run_at = NOW(3) WHERE name = 'events.purge'")
      for _ = 1, SOON_S * 10 do
        if runs("done") == before + round then
          break
        end
        servers.sleep(0.1)
      end
      assert.equal(before + round, runs("done"))
    end
    servers.sleep(2.5) -- each node has looked once more
    assert.equal(before + 5, runs())
  end)

  it("take each step of a clock once, also one that was due while neither ran", function()
    for _ = 1, 4 do
      report()
    end
    local taken = "FROM audit_logs WHERE action = 'report.escalate'"
    local function number(what)
      return tonumber(one:sql("SELECT COUNT(" .. what .. ") " .. taken))
    end
    one:sql("UPDATE sla_clocks SET since = since - INTERVAL 2000 HOUR, wake_at = NOW(3) "
      .. "WHERE kind = 'report.sla' AND state = 'running'")
    local clocks = tonumber(one:sql("SELECT COUNT(*) FROM sla_clocks WHERE kind = 'report.sla' "
      .. "AND state = 'running'"))
    for _ = 1, SOON_S * 10 do
      if number("*") >= clocks * 3 then
        break
      end
      servers.sleep(0.1)
    end
    servers.sleep(1.5) -- each node has looked once more
    assert.equal(clocks * 3, number("*"))
    assert.equal(clocks * 3, number("DISTINCT resource_id, JSON_VALUE(new_values, '$.percent')"))
  end)
end)
