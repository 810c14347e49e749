-- Due dates in business hours, and what happens when they come nearer: on one server whose job
-- workers take the steps. Time is moved by moving what the clocks have counted.
local cjson = require("cjson.safe")
local expect = require("tests.support.expect")
local processes = require("tests.support.process")
local servers = require("tests.support.server")

local ok = expect.ok

local HOUR_S = 3600
local SETTINGS = "/admin/settings"

local server, api, owner, admin, dispatcher, technician

setup(function()
  server = servers.start({ env = { FIXXIT_SERVER_JOB_WORKERS = 2 } })
  api = server.api
  owner = api:login("owner@riverton.example")
  admin = api:login("admin@riverton.example")
  dispatcher = api:login("dispatcher@riverton.example")
  technician = api:login("tech1@riverton.example")
end)

teardown(function()
  server:stop()
end)

local function by(who, json)
  return { token = who.token, json = json }
end

local function shell(command)
  local code, output = servers.shell(command)
  assert.equal(0, code, output)
  return (output:gsub("%s+$", ""))
end

local function seconds(text)
  return tonumber(shell(("date -u -d '%s' +%%s"):format(text)))
end

local function set(settings)
  ok(api:put(SETTINGS, by(owner, settings)))
end

local function report(more)
  local body = { title = "Clock " .. math.random(1e9), category = "other",
    location = { description = "here" } }
  for name, value in pairs(more or {}) do
    body[name] = value
  end
  return ok(api:post("/reports", by(dispatcher, body)))
end

local function get(id)
  return ok(api:get("/reports/" .. id, by(dispatcher)))
end

-- As if the clocks of a resource had begun to run so many seconds earlier.
local function move(id, s)
  server:sql(("UPDATE sla_clocks SET since = since - INTERVAL %d SECOND, "
    .. "wake_at = IF(state = 'running', NOW(3), NULL) WHERE resource_id = '%s'"):format(s, id))
end

local function count(sql)
  return tonumber(server:sql("SELECT COUNT(*) " .. sql))
end

local function wait_for(wanted, sql)
  for _ = 1, 400 do
    local found = count(sql)
    if found == wanted then
      return
    end
    assert.is_true(found < wanted, sql .. ": " .. found)
    servers.sleep(0.05)
  end
  error(sql .. ": " .. count(sql) .. ", not " .. wanted)
end

local function escalations(id)
  return ("FROM audit_logs WHERE action IN ('report.escalate', 'workorder.escalate') "
    .. "AND resource_id = '%s'"):format(id)
end

-- The percentages of the steps that a report or work order shows.
local function percents(shown)
  local list = {}
  for i, step in ipairs(shown.escalations) do
    assert.same({ step.percent >= 100, true }, { step.breached, seconds(step.createdAt) > 0 })
    list[i] = step.percent
  end
  return list
end

describe("a due date", function()
  it("lies in the tenant's business hours, zone and no holiday", function()
    local function day(offset, format)
      return shell(("TZ=Europe/Rome date -d '%d days' +%s"):format(offset, format))
    end
    local two_days = day(2, "%A"):lower()
    set({ timezone = "Europe/Rome", slaHours = { low = 1.5 }, categories = cjson.null,
      businessHours = { [two_days] = { { from = "09:00", to = "10:00" } } } })
    local made = report({ category = "parks", severity = "low" })
    local function due_on(offset)
      return seconds(("TZ=\"Europe/Rome\" %s 09:30"):format(day(offset, "%F")))
    end
    assert.equal(due_on(9), seconds(made.slaDueAt)) -- an hour of the first such day, half of the next
    set({ holidays = { { date = day(2, "%F"), name = "Closed" } } })
    assert.equal(due_on(16), seconds(report({ category = "parks", severity = "low" }).slaDueAt))
    -- reports that are open already follow
    wait_for(1, ("FROM audit_logs WHERE resource_id = '%s' AND action = 'report.update' "
      .. "AND actor LIKE 'job:%%'"):format(made.id))
    local moved = get(made.id)
    assert.same({ due_on(16), made.version + 1 }, { seconds(moved.slaDueAt), moved.version })
    set({ timezone = "Europe/London", slaHours = cjson.null, businessHours = cjson.null,
      holidays = cjson.null })
  end)

  it("moves on while a report was resolved and is open again", function()
    local made = report({ category = "other" })
    for _, status in ipairs({ "acknowledged", "in_progress" }) do
      ok(api:put("/reports/" .. made.id .. "/status", by(dispatcher, { status = status })))
    end
    move(made.id, HOUR_S)
    ok(api:put("/reports/" .. made.id .. "/status", by(dispatcher, { status = "resolved" })))
    move(made.id, 100 * HOUR_S)
    ok(api:put("/reports/" .. made.id .. "/status", by(dispatcher, { status = "reopened" })))
    local after = get(made.id)
    assert.near(seconds(made.slaDueAt) - HOUR_S, seconds(after.slaDueAt), 300)
    assert.equal(0, count(escalations(made.id)))
  end)
end)

describe("a report that waits", function()
  it("is escalated at each percentage of its time, once, before those who are to know", function()
    local admin_socket = api:socket("token=" .. dispatcher.token)
    admin_socket:expect("auth:ok")
    local made = report({ severity = "low", category = "other" })
    local citizen = api:socket("")
    citizen:expect("welcome")
    citizen:send({ type = "subscribe", topic = "track:" .. made.trackingCode })
    citizen:expect("subscribed")
    local target_s = seconds(made.slaDueAt) - seconds(made.createdAt)
    move(made.id, target_s * 1.1)
    local half, whole = admin_socket:expect_event("report:escalated"),
      admin_socket:expect_event("report:escalated")
    assert.same({ made.id, 50, false }, { half.data.id, half.data.escalation.percent,
      half.data.escalation.breached })
    assert.same({ 100, true, target_s }, { whole.data.escalation.percent,
      whole.data.escalation.breached, whole.data.escalation.targetSeconds })
    move(made.id, target_s)
    assert.equal(150, admin_socket:expect_event("report:escalated").data.escalation.percent)
    wait_for(3, escalations(made.id))
    local told = server:sql(("SELECT u.email, n.title, n.message FROM notifications n "
      .. "JOIN users u ON u.id = n.user_id WHERE n.type = 'report.escalated' AND n.message LIKE '%s%%' "
      .. "AND u.email IN ('%s', '%s', '%s') ORDER BY n.id"):format(made.title, dispatcher.user.email,
      admin.user.email, owner.user.email))
    local _, lines = told:gsub("@", "")
    assert.equal(5, lines, told) -- the dispatcher twice, the admin twice, the owner once
    assert.same({ 50, 100, 150 }, percents(get(made.id)))
    assert.same({ 50, 100, 150 }, percents(ok(api:get("/reports?limit=1&include=escalations", by(dispatcher)))[1]))
    assert.is_nil(ok(api:get("/reports?limit=1", by(dispatcher)))[1].escalations)
    assert.is_nil(ok(api:get("/reports/track/" .. made.trackingCode)).escalations)
    assert.truthy(told:find("is due soon", 1, true) and told:find("is overdue", 1, true))
    -- whoever reported it hears the next change of status, not how long it waits
    ok(api:put("/reports/" .. made.id .. "/status", by(dispatcher, { status = "acknowledged" })))
    citizen:expect_event("report:updated")
    for _, frame in ipairs(citizen.seen) do
      assert.not_equal("report:escalated", frame.event)
    end
    admin_socket:close()
    citizen:close()
  end)

  it("is not, once it is resolved, rejected or deleted", function()
    local rejected, deleted = report(), report()
    ok(api:put("/reports/" .. rejected.id .. "/status", by(dispatcher,
      { status = "rejected", reason = "no" })))
    ok(api:delete("/reports/" .. deleted.id, by(admin)))
    for _, made in ipairs({ rejected, deleted }) do
      assert.equal(1, count(("FROM sla_clocks WHERE resource_id = '%s' AND state = 'stopped' "
        .. "AND wake_at IS NULL"):format(made.id)))
    end
  end)

  it("that gets another severity is due by that", function()
    set({ slaHours = { low = 100, critical = 1 }, categories = cjson.null })
    local made = report({ severity = "low", category = "other" })
    move(made.id, 2 * HOUR_S)
    local worse = ok(api:put("/reports/" .. made.id, by(dispatcher, { severity = "critical" })))
    assert.near(seconds(made.createdAt) + HOUR_S, seconds(worse.slaDueAt), 2 * HOUR_S + 300)
    wait_for(3, escalations(made.id)) -- all of it is over by now
    set({ slaHours = cjson.null })
  end)

  it("is escalated as the tenant's own policy says", function()
    set({ escalation = { reports = { { percent = 10 }, { percent = 200 } } } })
    local made = report({ severity = "low", category = "other" })
    local target_s = seconds(made.slaDueAt) - seconds(made.createdAt)
    move(made.id, target_s * 1.6)
    wait_for(1, escalations(made.id))
    move(made.id, target_s)
    wait_for(2, escalations(made.id))
    set({ escalation = cjson.null })
    for field, policy in pairs({
      ["escalation.reports[1].percent"] = { reports = { { percent = 5 }, { percent = 5 } } },
      ["escalation.reports[0].percent"] = { reports = { { percent = 0 } } },
      ["escalation.workorders[0].notify[0]"] = { workorders = { { percent = 5, notify = { "mayor" } } } },
      ["escalation.workorders[0].teamId"] = { workorders = { { percent = 5, teamId = "x" } } },
    }) do
      local answer = api:put(SETTINGS, by(owner, { escalation = policy }))
      assert.same({ 400, field }, { answer.status, answer.json.error.details[1].field })
    end
  end)
end)

describe("a work order that waits", function()
  local function order(more)
    return ok(api:post("/workorders", by(dispatcher, { reportId = report(more).id })))
  end

  local function left_s(made)
    return seconds(made.slaDueAt) - seconds(made.createdAt)
  end

  it("shows what was done about that wherever it is read", function()
    local made = order({ severity = "low", category = "other" })
    assert.same({}, percents(ok(api:get("/workorders/" .. made.id, by(dispatcher)))))
    move(made.id, left_s(made) * 1.1)
    wait_for(2, escalations(made.id))
    local board = ok(api:get("/workorders?view=kanban&include=escalations", by(dispatcher)))
    for _, shown in ipairs({ ok(api:get("/workorders/" .. made.id, by(dispatcher))), get(made.reportId).workOrders[1],
      ok(api:get("/workorders?include=escalations&limit=1", by(dispatcher)))[1], board.columns[1].items[1] }) do
      assert.equal(made.id, shown.id)
      assert.same({ 50, 100 }, percents(shown))
    end
    assert.is_nil(ok(api:get("/workorders?limit=1", by(dispatcher)))[1].escalations)
  end)

  it("is raised, told of, and given to another team, as the policy says", function()
    local team = ok(api:get("/teams", by(dispatcher)))[1]
    set({ escalation = { workorders = { { percent = 50, notify = { "assignee" }, raisePriority = true },
      { percent = 100, teamId = team.id } } } })
    local made = order({ severity = "low", category = "other" })
    ok(api:put("/workorders/" .. made.id .. "/assign", by(dispatcher, { userId = technician.user.id })))
    move(made.id, left_s(made) * 0.6)
    wait_for(1, escalations(made.id))
    local raised = ok(api:get("/workorders/" .. made.id, by(dispatcher)))
    assert.same({ "low", "normal", technician.user.id },
      { made.priority, raised.priority, raised.assignedTo })
    assert.equal(1, count(("FROM notifications WHERE type = 'workorder.escalated' AND user_id = '%s' "
      .. "AND title LIKE '%%%s%%'"):format(technician.user.id, made.number)))
    move(made.id, left_s(made))
    wait_for(2, escalations(made.id))
    local given = ok(api:get("/workorders/" .. made.id, by(dispatcher)))
    assert.same({ "normal", team.id, "assigned" }, { given.priority, given.teamId, given.status })
    assert.is_nil(given.assignedTo)
    local history = ok(api:get("/workorders/" .. made.id .. "/history", by(dispatcher)))
    assert.same({ "escalate", 100 }, { history[#history].action, history[#history].details.percent })
    set({ escalation = cjson.null })
  end)

  it("does not count while it is on hold, and is due later by that", function()
    local made = order({ severity = "low", category = "other" })
    local path = "/workorders/" .. made.id
    ok(api:put(path .. "/assign", by(dispatcher, { userId = technician.user.id })))
    ok(api:put(path .. "/accept", by(technician, {})))
    ok(api:put(path .. "/hold", by(technician, { reason = "rain" })))
    move(made.id, 1000 * HOUR_S)
    move(made.id, 0) -- while it is paused nothing wakes it
    local resumed = ok(api:put(path .. "/resume", by(technician, {})))
    assert.near(seconds(made.slaDueAt), seconds(resumed.slaDueAt), 300)
    assert.equal(0, count(escalations(made.id)))
    ok(api:put(path .. "/start", by(technician, {})))
    ok(api:put(path .. "/complete", by(technician, { notes = "done" })))
    assert.equal(1, count(("FROM sla_clocks WHERE resource_id = '%s' AND state = 'stopped'")
      :format(made.id)))
  end)
end)

describe("steps", function()
  it("happen once each, whichever worker is killed meanwhile", function()
    local ids = {}
    for i = 1, 25 do
      ids[i] = report({ severity = "low", category = "other" }).id
    end
    local all = "('" .. table.concat(ids, "','") .. "')"
    server:sql("UPDATE sla_clocks SET since = since - INTERVAL 1000 HOUR, wake_at = NOW(3) "
      .. "WHERE resource_id IN " .. all)
    for _ = 1, 3 do
      local pid = server:pids("job")[1]
      if pid and pid > 0 then -- 0: one that is being started
        servers.shell("kill -9 " .. pid)
        processes.await_end(pid, 5)
      end
      -- whoever died held its clocks for the length of a lease
      server:sql("UPDATE sla_clocks SET wake_at = NOW(3) WHERE wake_at IS NOT NULL AND mark < 150 "
        .. "AND resource_id IN " .. all)
    end
    for _ = 1, 200 do
      server:sql("UPDATE sla_clocks SET wake_at = NOW(3) WHERE wake_at > NOW(3) + INTERVAL 30 SECOND "
        .. "AND mark < 150 AND resource_id IN " .. all)
      if count("FROM sla_clocks WHERE mark = 150 AND resource_id IN " .. all) == #ids then
        break
      end
      servers.sleep(0.1)
    end
    assert.equal(75, count("FROM audit_logs WHERE action = 'report.escalate' AND resource_id IN " .. all))
    assert.equal("25\t3", (server:sql("SELECT COUNT(DISTINCT resource_id), "
      .. "COUNT(DISTINCT JSON_VALUE(new_values, '$.percent')) FROM audit_logs "
      .. "WHERE action = 'report.escalate' AND resource_id IN " .. all):gsub("%s+$", "")))
  end)
end)
