-- Escalations and states that a tenant's scripts add, over HTTP: published, seen at work, taken
-- back.
local expect = require("tests.support.expect")
local processes = require("tests.support.process")
local servers = require("tests.support.server")

local ok, refused = expect.ok, expect.refused

local MINUTE_S = 60

local server, api, owner, dispatcher

setup(function()
  server = servers.start({ env = { FIXXIT_SERVER_JOB_WORKERS = 2 } })
  api = server.api
  owner = api:login("owner@riverton.example")
  dispatcher = api:login("dispatcher@riverton.example")
end)

teardown(function()
  server:stop()
end)

local function by(who, json)
  return { token = who.token, json = json }
end

local function count(sql)
  return tonumber(server:sql("SELECT COUNT(*) " .. sql))
end

local function wait_until(fn, what)
  for _ = 1, 100 do
    local value = fn()
    if value then
      return value
    end
    servers.sleep(0.05)
  end
  error(what .. "\n" .. server:log_text():sub(-2000))
end

local function publish(content)
  ok(api:put("/scripts/draft/rules/flow.lua", by(owner, { content = content })))
  return ok(api:post("/scripts/publish", by(owner, { message = "spec" }))).release
end

local function order(more)
  local body = { title = "Work " .. math.random(1e9) }
  for name, value in pairs(more or {}) do
    body[name] = value
  end
  return ok(api:post("/workorders", by(dispatcher, body)))
end

local function clock_of(id)
  local text = server:sql(("SELECT state, mark FROM sla_clocks WHERE kind = 'script' "
    .. "AND resource_id = '%s'"):format(id))
  return text:match("^(%a+)\t(%d+)")
end

local function wait_clock(id, state, mark)
  wait_until(function()
    local is, taken = clock_of(id)
    return is == state and taken == tostring(mark)
  end, ("%s: %s %s, not %s %d"):format(id, tostring(clock_of(id)), "", state, mark))
end

local function move(id, seconds)
  server:sql(("UPDATE sla_clocks SET since = since - INTERVAL %d SECOND, wake_at = NOW(3) "
    .. "WHERE resource_id = '%s' AND state = 'running'"):format(seconds, id))
end

local function runs(status)
  return ok(api:get("/scripts/runs?limit=100" .. (status and "&status=" .. status or ""), by(owner)))
end

describe("an escalation", function()
  local RULE = [[
escalate{ of = "workorder", name = "urgent",
  when = function(wo) return wo.priority == "urgent" end,
  steps = {
    { after = "30m", run = function(wo) log(wo.number .. " waits") end },
    { after = "1h", run = function(wo) workorders.update(wo.id, { description = "late" }) end },
    { after = "2h", run = function(wo) log("very late") end },
  } }
]]

  it("runs its steps for what it concerns, each once and in order", function()
    publish(RULE)
    local calm, urgent = order(), order({ priority = "urgent" })
    wait_clock(urgent.id, "running", 0)
    assert.is_nil(clock_of(calm.id))
    move(urgent.id, 90 * MINUTE_S)
    wait_clock(urgent.id, "running", 2)
    move(urgent.id, 60 * MINUTE_S)
    wait_clock(urgent.id, "running", 3)
    local lines = {}
    wait_until(function()
      lines = {}
      for _, run in ipairs(runs()) do
        for _, line in ipairs(run.log) do
          lines[line] = (lines[line] or 0) + 1
        end
      end
      return lines["very late"]
    end, "no record of the last step")
    assert.same({ 1, 1 }, { lines[urgent.number .. " waits"], lines["very late"] })
    assert.equal("late", ok(api:get("/workorders/" .. urgent.id, by(dispatcher))).description)
    assert.equal(1, count(("FROM audit_logs WHERE resource_id = '%s' AND action = 'workorder.update' "
      .. "AND actor LIKE 'script:rules/flow.lua@%%'"):format(urgent.id)))
  end)

  it("stops when it does not concern the thing any more, and goes on when it does", function()
    local made = order({ priority = "urgent" })
    wait_clock(made.id, "running", 0)
    ok(api:put("/workorders/" .. made.id, by(dispatcher, { priority = "low" })))
    wait_clock(made.id, "stopped", 0)
    ok(api:put("/workorders/" .. made.id, by(dispatcher, { priority = "urgent" })))
    wait_clock(made.id, "running", 0)
    ok(api:put("/workorders/" .. made.id .. "/cancel", by(dispatcher, {})))
    wait_clock(made.id, "stopped", 0)
  end)

  it("concerns every report when it does not ask, and follows the release that runs", function()
    local function rule(after)
      return ('escalate{ of = "report", name = "old", steps = { { after = "%s", '
        .. 'run = function(report) log(report.title .. " is old") end } } }'):format(after)
    end
    publish(rule("1h"))
    local made = ok(api:post("/reports", by(dispatcher, { title = "Old " .. math.random(1e9),
      category = "other", location = { description = "here" } })))
    wait_clock(made.id, "running", 0)
    publish(rule("3h"))
    move(made.id, 2 * 60 * MINUTE_S)
    wait_until(function()
      return count(("FROM sla_clocks WHERE kind = 'script' AND resource_id = '%s' "
        .. "AND next_due_at BETWEEN NOW(3) AND NOW(3) + INTERVAL 61 MINUTE"):format(made.id)) == 1
    end, "was not reckoned anew")
    assert.same({ "running", "0" }, { clock_of(made.id) })
    move(made.id, 61 * MINUTE_S)
    wait_clock(made.id, "running", 1)
    publish("on('report.created', function() end)")
    ok(api:put("/reports/" .. made.id .. "/status", by(dispatcher,
      { status = "rejected", reason = "no" })))
    wait_clock(made.id, "stopped", 1)
    publish(RULE)
  end)

  it("that cannot be asked keeps no other from being asked", function()
    publish([[
escalate{ of = "workorder", name = "broken", when = function(wo) return wo.nothing.there end,
  steps = { { after = "1h", run = function() end } } }
]] .. RULE)
    local made = order({ priority = "urgent" })
    wait_clock(made.id, "running", 0)
    wait_until(function()
      return runs("error")[1]
    end, "no record of the one that fails")
    publish(RULE)
  end)

  it("that fails is tried again, and what it did is not done twice", function()
    local made = order({ priority = "urgent" })
    wait_clock(made.id, "running", 0)
    publish(RULE:gsub('log%(wo.number .. " waits"%)', [[
      workorders.update(wo.id, { description = "once" })
      if workorders.get(wo.id).title ~= "mended" then error("no") end]]))
    move(made.id, 40 * MINUTE_S)
    wait_until(function()
      return count(("FROM sla_clocks WHERE resource_id = '%s' AND last_error LIKE '%%no%%'")
        :format(made.id)) == 1
    end, "did not fail")
    ok(api:put("/workorders/" .. made.id, by(dispatcher, { title = "mended" })))
    move(made.id, 0)
    wait_clock(made.id, "running", 1)
    wait_until(function() -- records are gathered
      return #runs("error") > 0
    end, "no record of the run that failed")
    assert.equal(1, count(("FROM audit_logs WHERE resource_id = '%s' AND action = 'workorder.update' "
      .. "AND actor LIKE 'script:%%'"):format(made.id)))
  end)
end)

describe("the effects of steps", function()
  local ORDERS, KILLS = 12, 3

  it("are there once each, whoever is killed meanwhile", function()
    publish([[escalate{ of = "workorder", name = "all", when = function(wo) return wo.title == "Kill" end,
      steps = { { after = "30m", run = function(wo) workorders.update(wo.id, { description = "once" }) end },
        { after = "1h", run = function(wo) workorders.update(wo.id, { priority = "high" }) end } } }]])
    local ids = {}
    for i = 1, ORDERS do
      ids[i] = order({ title = "Kill" }).id
    end
    local these = "resource_id IN ('" .. table.concat(ids, "','") .. "')"
    wait_until(function()
      return count("FROM sla_clocks WHERE kind = 'script' AND " .. these) == ORDERS
    end, "no clocks")
    server:sql("UPDATE sla_clocks SET since = since - INTERVAL 2 HOUR, wake_at = NOW(3) WHERE " .. these)
    -- whoever died held its clocks for the length of a lease
    local function free()
      server:sql("UPDATE sla_clocks SET wake_at = NOW(3) WHERE wake_at > NOW(3) + INTERVAL 20 SECOND AND "
        .. these)
    end
    for _ = 1, KILLS do
      local pid = server:pids("job")[1]
      if pid and pid > 0 then -- 0: one that is being started
        servers.shell("kill -9 " .. pid)
        processes.await_end(pid, 5)
      end
      free()
    end
    wait_until(function()
      free()
      return count("FROM sla_clocks WHERE mark = 2 AND " .. these) == ORDERS
    end, "not all steps")
    local updates = "FROM audit_logs WHERE action = 'workorder.update' AND actor LIKE 'script:%' AND " .. these
    assert.equal(2 * ORDERS, count(updates))
    assert.equal(ORDERS, count("FROM work_orders WHERE description = 'once' AND priority = 'high'"))
  end)
end)

describe("states of a tenant's own", function()
  local RULE = [[
local function is_technician(_, user) return user.role == "technician" end
transition{ of = "workorder", from = "accepted", to = "awaiting_parts", guard = is_technician }
transition{ of = "workorder", from = "awaiting_parts", to = "in_progress" }
transition{ of = "workorder", from = "awaiting_parts", to = "cancelled" }
transition{ of = "report", from = "submitted", to = "triaged" }
transition{ of = "report", from = "triaged", to = "acknowledged" }
]]
  local technician

  local function accepted(id)
    ok(api:put("/workorders/" .. id .. "/assign", by(dispatcher, { userId = technician.user.id })))
    ok(api:put("/workorders/" .. id .. "/accept", by(technician, {})))
    return "/workorders/" .. id
  end

  local function to(who, path, status, reason)
    return api:put(path .. "/status", by(who, { status = status, reason = reason }))
  end

  setup(function()
    technician = api:login("tech1@riverton.example")
  end)

  it("are there for what is opened under them, under their guards", function()
    local before = accepted(order().id)
    publish(RULE)
    local path = accepted(order().id)
    local denied = refused(422, "REJECTED_BY_RULE", to(dispatcher, path, "awaiting_parts"))
    assert.equal("rules/flow.lua:2", denied.rule)
    local waiting = ok(to(technician, path, "awaiting_parts", "the pump"))
    assert.equal("awaiting_parts", waiting.status)
    local told
    wait_until(function() -- how the guard's runs ended, the latest first
      told = {}
      for _, run in ipairs(runs()) do
        told[#told + 1] = run.event == "transition" and run.status or nil
      end
      return #told == 2
    end, "the records of the guard")
    assert.same({ "ok", "rejected" }, told)
    local history = ok(api:get(path .. "/history", by(dispatcher)))
    local last = history[#history]
    assert.same({ "status", "accepted", "awaiting_parts", "the pump" },
      { last.action, last.from, last.to, last.reason })
    local wrong = refused(409, "INVALID_TRANSITION", to(dispatcher, path, "completed"))
    assert.same({ "in_progress", "cancelled" }, wrong.details[1].allowed)
    refused(409, "INVALID_TRANSITION", api:put(path .. "/hold", by(technician, { reason = "x" })))
    assert.equal("in_progress", ok(api:put(path .. "/start", by(technician, {}))).status)
    assert.equal("completed", ok(to(technician, path, "completed")).status)
    -- what was open before knows nothing of them
    local old = refused(409, "INVALID_TRANSITION", to(technician, before, "awaiting_parts"))
    assert.same({ "assigned", "scheduled", "in_progress", "on_hold", "cancelled" },
      old.details[1].allowed)
  end)

  it("stay with what was opened under them", function()
    local path = accepted(order().id)
    publish("on('report.created', function() end)")
    refused(422, "REJECTED_BY_RULE", to(dispatcher, path, "awaiting_parts"))
    assert.equal("awaiting_parts", ok(to(technician, path, "awaiting_parts")).status)
    refused(409, "INVALID_TRANSITION", to(technician, accepted(order().id), "awaiting_parts"))
    assert.equal("in_progress", ok(to(technician, path, "in_progress")).status)
    publish(RULE)
  end)

  it("are columns of the board and values of the filter", function()
    local path = accepted(order().id)
    ok(to(technician, path, "awaiting_parts"))
    local found = ok(api:get("/workorders?status=awaiting_parts", by(dispatcher)))
    assert.equal(path, "/workorders/" .. found[1].id)
    local board = ok(api:get("/workorders?view=kanban", by(dispatcher))).columns
    assert.same({ "awaiting_parts", 1 }, { board[#board].status, board[#board].count })
    assert.equal("status", refused(400, "VALIDATION_ERROR",
      api:get("/workorders?status=nowhere", by(dispatcher))).details[1].field)
    assert.equal("status", refused(400, "VALIDATION_ERROR",
      api:get("/reports?status=awaiting_parts", by(dispatcher))).details[1].field)
    assert.equal(0, #ok(api:get("/reports?status=triaged", by(dispatcher))))
  end)

  it("of reports take work, which goes on where the rules say", function()
    local made = ok(api:post("/reports", by(dispatcher, { title = "Broken pump", category = "other",
      location = { description = "here" } })))
    ok(api:put("/reports/" .. made.id .. "/status", by(dispatcher, { status = "triaged" })))
    local wrong = refused(409, "INVALID_TRANSITION", api:put("/reports/" .. made.id .. "/status",
      by(dispatcher, { status = "closed" })))
    assert.same({ "acknowledged" }, wrong.details[1].allowed)
    order({ reportId = made.id, title = nil })
    assert.equal("acknowledged", ok(api:get("/reports/" .. made.id, by(dispatcher))).status)
  end)

  it("let a work order go by the status that an action leads to", function()
    local path = accepted(order().id)
    assert.equal("reason", refused(400, "VALIDATION_ERROR",
      to(technician, path, "on_hold")).details[1].field)
    assert.equal("on_hold", ok(to(technician, path, "on_hold", "rain")).status)
    assert.same({ "accepted", "cancelled" }, refused(409, "INVALID_TRANSITION",
      to(technician, path, "in_progress")).details[1].allowed)
    assert.equal("accepted", ok(to(technician, path, "accepted")).status)
    assert.equal("status", refused(400, "VALIDATION_ERROR",
      to(dispatcher, path, "assigned")).details[1].field)
    refused(403, "FORBIDDEN", to(technician, path, "cancelled"))
    assert.equal("cancelled", ok(to(dispatcher, path, "cancelled")).status)
    refused(412, "PRECONDITION_FAILED", api:put(accepted(order().id) .. "/status", { token = technician.token,
      json = { status = "in_progress" }, headers = { ["if-match"] = '"1"' } }))
  end)

  it("are given to what was opened before, and taken from it, when somebody says so", function()
    local function migrate(body)
      body.of = "workorder"
      return api:post("/scripts/migrate", by(owner, body))
    end
    local waiting = accepted(order().id)
    ok(to(technician, waiting, "awaiting_parts"))
    local release = publish([[transition{ of = "workorder", from = "accepted", to = "ordered" }
      transition{ of = "workorder", from = "ordered", to = "in_progress" }]])
    local dry = ok(migrate({}))
    assert.same({ release, true, "awaiting_parts" }, { dry.release, dry.dryRun, dry.blocked[1].status })
    assert.is_true(dry.kept > 0)
    assert.equal("awaiting_parts", ok(api:get(waiting, by(dispatcher))).status)
    assert.equal("states.awaiting_parts", refused(400, "VALIDATION_ERROR",
      migrate({ states = { awaiting_parts = "nowhere" } })).details[1].field)
    local done = ok(migrate({ states = { awaiting_parts = "accepted" }, dryRun = false }))
    assert.same({ dry.kept, dry.blocked[1].count, 0, 0 },
      { done.kept, done.moved, #done.blocked, done.remaining })
    assert.equal("accepted", ok(api:get(waiting, by(dispatcher))).status)
    assert.equal("ordered", ok(to(technician, waiting, "ordered")).status)
    local again = ok(migrate({ dryRun = false }))
    assert.same({ 0, 0 }, { again.kept, again.moved })
    refused(403, "FORBIDDEN", api:post("/scripts/migrate", by(dispatcher, { of = "workorder" })))
    -- back to what the product itself has
    publish("on('report.created', function() end)")
    local back = ok(migrate({ states = { ordered = "in_progress" }, dryRun = false }))
    assert.same({ 1, 0 }, { back.moved, #back.blocked })
    assert.equal("completed", ok(to(technician, waiting, "completed")).status)
    assert.equal(0, count("FROM work_orders WHERE workflow_release IS NOT NULL"))
  end)

  it("whose guard fails are refused", function()
    publish([[transition{ of = "workorder", from = "accepted", to = "stuck",
      guard = function(wo) return wo.nothing.at_all end }]])
    local failed = refused(422, "RULE_FAILED", to(technician, accepted(order().id), "stuck"))
    assert.equal("rules/flow.lua:2", failed.rule)
  end)
end)
