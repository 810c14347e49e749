-- The demo world as a developer gets it: here into one that an earlier version has made.
local cjson = require("cjson.safe")
local expect = require("tests.support.expect")
local servers = require("tests.support.server")

describe("the demo world", function()
  local server, staff

  local function start(data)
    server = servers.start({ data = data, env = { FIXXIT_DEMO_PAST = "true" } })
    staff = server.api:login("dispatcher@riverton.example")
  end

  lazy_setup(start)

  lazy_teardown(function()
    server:stop()
  end)

  local function get(path)
    return expect.ok(server.api:get(path, { token = staff.token }))
  end

  local function total(path)
    return select(2, get(path)).total
  end

  local function numbers(statement)
    return tonumber(server:sql(statement))
  end

  it("has 200 reports of two months, each with its history and a place in one town", function()
    assert.equal(200, total("/reports?page=1"))
    assert.equal(200, total("/reports?page=1&bbox=-2.62,51.44,-2.58,51.47"))
    assert.equal(200, numbers("SELECT COUNT(DISTINCT report_id) FROM report_status_history WHERE to_status = 'submitted'"))
    local days = numbers("SELECT DATEDIFF(MAX(created_at), MIN(created_at)) FROM reports")
    assert.is_true(days >= 50 and days <= 60, days)
    assert.is_true(numbers("SELECT COUNT(DISTINCT DATE(created_at)) FROM reports") > 40)
    assert.is_true(total("/reports?page=1&category=pothole") > 15)
  end)

  it("has work in every state that work can be in by the API", function()
    local count = {}
    for _, column in ipairs(get("/workorders?view=kanban").columns) do
      count[column.status] = column.count
    end
    for _, status in ipairs({ "pending", "assigned", "accepted", "in_progress", "on_hold", "completed", "verified",
      "cancelled" }) do
      assert.is_true(count[status] > 0, status)
    end
    for _, status in ipairs({ "submitted", "acknowledged", "in_progress", "resolved", "closed", "rejected", "duplicate" }) do
      assert.is_true(total("/reports?page=1&status=" .. status) > 0, status)
    end
  end)

  it("goes through the services: each thing has its audit trail and its event, at its time", function()
    assert.equal(200, numbers("SELECT COUNT(*) FROM audit_logs a JOIN reports r ON r.id = a.resource_id "
      .. "WHERE a.action = 'report.create' AND ABS(TIMESTAMPDIFF(SECOND, a.created_at, r.created_at)) < 60"))
    assert.equal(200, numbers("SELECT COUNT(*) FROM (SELECT event, occurred_at, resource_id FROM event_log "
      .. "UNION ALL SELECT event, occurred_at, resource_id FROM outbox) e JOIN reports r ON r.id = e.resource_id "
      .. "WHERE e.event = 'report.created' AND ABS(TIMESTAMPDIFF(SECOND, e.occurred_at, r.created_at)) < 60"))
  end)

  it("has taken the steps that were due before it was made", function()
    assert.equal(0, numbers("SELECT COUNT(*) FROM sla_clocks WHERE state = 'running' AND next_due_at < (SELECT MIN(created_at) "
      .. "FROM audit_logs WHERE action = 'script.publish') - INTERVAL 10 MINUTE"))
    assert.is_true(numbers("SELECT COUNT(*) FROM audit_logs WHERE action = 'report.escalate' "
      .. "AND created_at < NOW() - INTERVAL 1 DAY") > 100)
  end)

  it("has told nobody of what never happened, and no rule acts on it", function()
    servers.await_relay(server.data)
    for _ = 1, 300 do
      if numbers("SELECT COUNT(*) FROM jobs WHERE state <> 'done'") == 0 then
        break
      end
      servers.sleep(0.1)
    end
    -- but of what has become due since
    assert.equal(0, numbers("SELECT COUNT(*) FROM notifications WHERE type NOT LIKE '%.escalated'"))
    assert.is_true(numbers("SELECT COUNT(DISTINCT title, message) FROM notifications") <= 3)
    assert.equal(0, numbers("SELECT COUNT(*) FROM script_runs WHERE event LIKE 'report.%' OR event LIKE 'workorder.%'"))
  end)

  it("runs the rules of tenants/riverton", function()
    local answer = server.api:post("/reports", { headers = { ["X-Tenant"] = "riverton" },
      json = { title = "Open cabinet", category = "electrical", location = { description = "by the church" } } })
    expect.refused(422, "REJECTED_BY_RULE", answer)
    local code, text = server:command("scripts releases --json --tenant riverton")
    assert.equal(0, code, text)
    local releases = cjson.decode(text)
    assert.equal(1, #releases)
    assert.equal("active", releases[1].state)
  end)

  it("is the same after another start", function()
    local function counts()
      return { total("/reports?page=1"), total("/workorders?page=1"), numbers("SELECT COUNT(*) FROM teams"),
        numbers("SELECT COUNT(*) FROM script_releases") }
    end
    local before = counts()
    local data = server.data
    server:stop(true)
    start(data)
    assert.same(before, counts())
  end)
end)
