-- Rules at work: in front of actions, after events, tried over what happened, and what is told of
-- their runs.
local cjson = require("cjson.safe")
local client = require("tests.support.client")
local patience = require("tests.support.patience")
local servers = require("tests.support.server")

local WAIT_S = 10 * patience
local FAILURES_MAX = 3

local server, api, owner, dispatcher, technician

setup(function()
  server = servers.start({ env = { FIXXIT_SCRIPTS_FAILURES_MAX = FAILURES_MAX,
    FIXXIT_SCRIPTS_EVENT_CPU_MS = 100, FIXXIT_SCRIPTS_TEST_WAIT_MS = 250 } })
  api = server.api
  owner = api:login("owner@riverton.example")
  dispatcher = api:login("dispatcher@riverton.example")
  technician = api:login("tech1@riverton.example")
end)

teardown(function()
  server:stop()
end)

local function ok(answer, status)
  assert.equal(status or 200, answer.status, answer.body)
  return answer.json.data
end

local function put(path, content)
  local answer = api:put("/scripts/draft/" .. path, { token = owner.token, json = { content = content } })
  assert.is_true(answer.status == 200 or answer.status == 201, answer.body)
end

local function report(fields, who)
  local body = { title = "Lamp is out", category = "street_light", severity = "medium",
    location = { description = "Mill Road" } }
  for name, value in pairs(fields or {}) do
    body[name] = value
  end
  return api:post("/reports", { token = (who or dispatcher).token, json = body })
end

-- @param told function() -> what is said besides when it does not come, or nil
local function await(what, fn, told)
  for _ = 1, WAIT_S * 20 do
    local value = fn()
    if value then
      return value
    end
    servers.sleep(0.05)
  end
  error("waited in vain for " .. what .. (told and told() or ""), 2)
end

local function runs(query)
  return ok(api:get("/scripts/runs" .. (query and "?" .. query or ""), { token = owner.token }))
end


-- Whether who has this answer of a path is spared another.
local function is_held(path, answer)
  return api:get(path, { token = owner.token,
    headers = { ["if-none-match"] = answer.headers.etag } }).status == 304
end

local function count(sql)
  return tonumber(server:sql("SELECT COUNT(*) FROM " .. sql):match("%d+"))
end

-- What waits for its next attempt is due. Asked again and again: who loses a deadlock against a
-- worker that takes one wins the next time.
local function hurry()
  pcall(server.sql, server, "UPDATE jobs SET run_at = NOW(3) WHERE name = 'scripts.handle' "
    .. "AND state = 'waiting' AND run_at > NOW(3)")
end

-- The latest runs and what waits for its turn, for whoever misses one.
local function what_there_is()
  local lines = { "; there are" }
  for _, run in ipairs(runs("limit=10")) do
    lines[#lines + 1] = ("%s %s release %s attempt %d %s %s"):format(run.startedAt, run.hook,
      tostring(run.release), run.attempt, run.status, run.error ~= cjson.null and run.error.message or "")
  end
  return table.concat(lines, "\n  ") .. "\nand in the queue\n" .. server:sql(
    "SELECT name, state, attempts, run_at, last_error FROM jobs WHERE name LIKE 'scripts.%' "
    .. "ORDER BY created_at DESC LIMIT 10")
end

-- The first run that fits, once there is one.
-- @param attempt of which it is: what fails before is tried again at once
local function run_of(query, fits, attempt)
  return await("a run " .. query, function()
    for _, run in ipairs(runs(query)) do
      if (not fits or fits(run)) and (not attempt or run.attempt == attempt) then
        return run
      end
    end
    if attempt and attempt > 1 then
      hurry()
    end
  end, what_there_is)
end

-- Makes these files the active release, the only ones; what happened before is not for them.
local function publish(files)
  await("the relay", function()
    return count("outbox") == 0
  end)
  for _, file in ipairs(ok(api:get("/scripts", { token = owner.token })).draft.files) do
    if not files[file.path] then
      ok(api:delete("/scripts/draft/" .. file.path, { token = owner.token }))
    end
  end
  for path, content in pairs(files) do
    put(path, content)
  end
  local release = ok(api:post("/scripts/publish", { token = owner.token, json = { message = "m" } }), 201)
  return release.release
end

local function idle()
  return count("outbox") == 0
    and count("jobs WHERE name = 'scripts.handle' AND state IN ('waiting', 'running')") == 0
end

describe("a rule before an action", function()
  it("changes what is asked for, and refuses it naming fields and rule", function()
    publish({ ["rules/before.lua"] = [[
before("report.create", function(report, about)
  if report.category == "electrical" and not report.location.latitude then
    reject("location.latitude", "electrical hazards need a position")
    reject("title", "say what hangs where")
  end
  if about.user.role == "dispatcher" then
    report.severity = "high"
  end
  log("saw " .. report.title)
end)
before("report.status", function(change, about)
  if change.status == "resolved" and about.current.category == "street_light" then
    reject("a work order does that")
  end
end)
]] })
    local answer = report({ category = "electrical" })
    assert.equal(422, answer.status, answer.body)
    local err = answer.json.error
    assert.equal("REJECTED_BY_RULE", err.code)
    assert.equal("rules/before.lua:3", err.rule)
    assert.same({ { field = "location.latitude", code = "rule",
      message = "electrical hazards need a position" },
      { field = "title", code = "rule", message = "say what hangs where" } }, err.details)
    local made = ok(report(), 201)
    assert.equal("high", made.severity)
    assert.equal("medium", ok(report(nil, technician), 201).severity)
    answer = api:put("/reports/" .. made.id .. "/status", { token = dispatcher.token,
      json = { status = "resolved" } })
    assert.equal(422, answer.status, answer.body)
    assert.equal("a work order does that", answer.json.error.message)
    local refused = run_of("status=rejected", function(run)
      return run.event == "report.create"
    end)
    assert.equal("rules/before.lua:before:report.create:1", refused.hook)
    local seen = run_of("status=ok")
    assert.same({ "saw Lamp is out" }, seen.log)
    assert.truthy(seen.cpuMs >= 0 and seen.memoryBytes > 0)
    answer = api:get("/scripts/runs/" .. seen.id, { token = owner.token })
    assert.same(seen, ok(answer))
    assert.is_true(is_held("/scripts/runs/" .. seen.id, answer))
  end)

  it("lets through what it fails at, or not if its file says so", function()
    local number = publish({ ["rules/open.lua"] = [[
before("report.create", function(report)
  local missing = report.nothing.there
end)
]] })
    ok(report(), 201)
    local failed = run_of("status=error&file=rules/open.lua")
    assert.equal("SCRIPT_ERROR", failed.error.code)
    assert.equal("rules/open.lua", failed.error.file)
    assert.equal(2, failed.error.line)
    assert.truthy(failed.error.traceback)
    assert.equal(number, failed.release)
    publish({ ["rules/deny.lua"] = [[
on_error = "deny"
before("workorder.create", function(order)
  order.priority = "whenever"
end)
]] })
    local made = ok(report(), 201)
    local answer = api:post("/workorders", { token = dispatcher.token, json = { reportId = made.id } })
    assert.equal(422, answer.status, answer.body)
    assert.equal("RULE_FAILED", answer.json.error.code)
    assert.equal("rules/deny.lua:2", answer.json.error.rule)
    failed = run_of("status=error&file=rules/deny.lua")
    assert.matches("what the rule changed is not valid: priority", failed.error.message)
  end)

  it("is ended at its limits, with file and line", function()
    publish({ ["rules/loop.lua"] = [[
local write = reports.create
before("report.create", function(report)
  if report.title == "loop" then
    while true do end
  elseif report.title == "write" then
    write{ title = "another", category = "other", location = { description = "here" } }
  elseif report.title == "recurse" then
    local function f() return f() + 1 end
    f()
  end
end)
]] })
    ok(report({ title = "loop" }), 201)
    local run = run_of("status=limit&file=rules/loop.lua")
    assert.equal("LIMIT_CPU", run.error.code)
    assert.equal("limit: cpu 10 ms at rules/loop.lua:4", run.error.message)
    ok(report({ title = "write" }), 201)
    run = run_of("status=limit&file=rules/loop.lua", function(found)
      return found.error.code == "LIMIT_CALLS"
    end)
    assert.equal("limit: calls 0 changes at rules/loop.lua:6", run.error.message)
    ok(report({ title = "recurse" }), 201)
    assert.equal(8, run_of("status=error&file=rules/loop.lua").error.line)
  end)
end)

describe("a rule on an event", function()
  it("does what it does once, over retries", function()
    publish({ ["rules/on.lua"] = [[
on("report.created", function(event)
  local order = workorders.create{ reportId = event.report.id, priority = "urgent" }
  log(order.number .. " for " .. event.report.title)
  if reports.get(event.report.id).status ~= "in_progress" then
    error("not yet")
  end
  workorders.create{ title = "look again at " .. event.report.title }
end)
]] })
    local made = ok(report({ title = "Retried lamp" }), 201)
    local run = run_of("status=retrying&file=rules/on.lua")
    assert.equal(1, run.attempt)
    assert.equal("report.created", run.event)
    assert.equal(5, run.error.line)
    local orders = "work_orders WHERE report_id = '" .. made.id .. "'"
    assert.equal(1, count(orders))
    server:sql("UPDATE reports SET status = 'in_progress' WHERE id = '" .. made.id .. "'")
    local second = run_of("status=ok&eventId=" .. run.eventId, nil, 2)
    assert.same(run.log, second.log) -- the same number
    assert.equal(1, count(orders))
    assert.equal(1, count("work_orders WHERE title = 'look again at Retried lamp'"))
    assert.equal(2, count("script_effects WHERE cause = '" .. run.eventId .. "'"))
    local actor = server:sql("SELECT actor FROM audit_logs WHERE action = 'workorder.create' "
      .. "ORDER BY created_at DESC LIMIT 1")
    assert.matches("^script:rules/on.lua@%d+", actor)
  end)

  it("knows what was different before", function()
    publish({ ["rules/was.lua"] = [[
on("report.updated", function(event)
  log(event.previous.severity .. " " .. event.report.severity .. " " .. tostring(event.previous.title))
end)
]] })
    local made = ok(report({ title = "Once low", severity = "low" }), 201)
    ok(api:put("/reports/" .. made.id, { token = dispatcher.token, json = { severity = "high" } }))
    assert.same({ "low high nil" }, run_of("file=rules/was.lua").log)
  end)

  it("reads in a retry what it read before it did something, and the rest anew", function()
    publish({ ["rules/reader.lua"] = [[
on("report.created", function(event)
  local status = reports.get(event.report.id).status
  kv.set("readers", (kv.get("readers") or 0) + 1)
  workorders.create{ title = "found it " .. status .. " " .. kv.get("readers") }
  local now = reports.get(event.report.id).status
  if now == "submitted" then
    error("not yet")
  end
  log(status, now)
end)
]] })
    local made = ok(report({ title = "Read lamp" }), 201)
    local run = run_of("status=retrying&file=rules/reader.lua")
    server:sql("UPDATE reports SET status = 'in_progress' WHERE id = '" .. made.id .. "'")
    server:sql("UPDATE script_kv SET value = '7' WHERE name = 'readers'")
    assert.same({ "submitted in_progress" }, run_of("status=ok&eventId=" .. run.eventId, nil, 2).log)
    assert.equal("found it submitted 1\n",
      server:sql("SELECT title FROM work_orders WHERE title LIKE 'found it%'"))
    assert.equal("7\n", server:sql("SELECT value FROM script_kv WHERE name = 'readers'"))
  end)

  it("fails for good when a retry asks for something else", function()
    publish({ ["rules/fickle.lua"] = [[
on("report.created", function(event)
  local spent = {}
  for i = 1, 5 do
    spent[i] = budget().cpuMs
  end
  workorders.create{ title = "fickle " .. table.concat(spent, " ") }
  error("again")
end)
]] })
    ok(report({ title = "Fickle lamp" }), 201)
    local run = run_of("status=retrying&file=rules/fickle.lua")
    local dead = run_of("status=dead&eventId=" .. run.eventId, nil, 2)
    assert.equal("EFFECT_CHANGED", dead.error.code)
    assert.equal(1, count("work_orders WHERE title LIKE 'fickle %'"))
    await("the event", function()
      return count("event_log WHERE event = 'script.failed'") > 0
    end)
  end)

  it("keeps of people nothing in the clear, and of those who are erased nothing at all", function()
    publish({ ["rules/people.lua"] = [[
on("report.created", function(event)
  local reporter = reports.get(event.report.id).reporter
  if reporter.userId then
    local who = users.get(reporter.userId)
    local staff = users.list{ role = { "technician" }, limit = 1 }
    local order = workorders.create{ title = "for " .. who.fullName:len(), userId = staff[1].id }
    reports.update(event.report.id, { title = "Given to " .. order.assignee.name:len() })
    error("not yet")
  end
end)
on("report.created", function(event)
  local reporter = reports.get(event.report.id).reporter
  if reporter.name then
    reports.update(event.report.id, { title = "Seen by " .. reporter.name:len() })
    error("not yet")
  end
end)
]] })
    local password = "a quiet green bus"
    local ann = ok(api:post("/auth/register", { json = { email = "ann@effects.example", password = password,
      fullName = "Xanthippe Zweistein", tenant = "riverton" } }), 201)
    ok(report({ title = "Seen" }, { token = ann.accessToken }), 201)
    ok(api:post("/reports", { tenant = "riverton", json = { title = "Seen", category = "other",
      location = { description = "gate" }, reporter = { name = "Xanthippe Unknown" } } }), 201)
    await("both runs", function()
      return count("script_effects WHERE capability = 'reports.update' AND NOT ended") == 2
    end)
    local of_ann = server:sql("SELECT DISTINCT cause FROM script_effects WHERE persons LIKE '%" .. ann.user.id
      .. "%'"):match("[^\n]+")
    assert.equal("workorders.create 2\nreports.update NULL\n", server:sql("SELECT CONCAT(capability, ' ', "
      .. "COALESCE(JSON_LENGTH(persons), 'NULL')) FROM script_effects WHERE cause = '" .. of_ann
      .. "' ORDER BY ordinal"))
    local _, dump = servers.shell(("mariadb-dump --no-defaults -uroot -S %s/run/mariadb.sock "
      .. "fixxit script_effects script_runs jobs event_log"):format(server.data))
    assert.truthy(dump:find(of_ann, 1, true))
    assert.is_nil(dump:find("Xanthippe", 1, true))
    assert.equal(200, api:delete("/users/delete-account", { token = ann.accessToken,
      json = { password = password } }).status)
    -- It is not told again who she was, but asked.
    assert.equal("There is no such member", run_of("status=retrying&eventId=" .. of_ann,
      function(run) return run.hook == "rules/people.lua:on:report.created:1" end, 2).error.message)
    assert.equal(1, count("work_orders WHERE title = 'for 19'"))
    server:sql("UPDATE jobs SET state = 'dead' WHERE name = 'scripts.handle' AND state = 'waiting'")
  end)

  it("ends where rules set each other off for ever", function()
    publish({ ["rules/echo.lua"] = [[
on("report.created", function(event)
  reports.create{ title = "Echo", category = "other", location = { description = "there" } }
end)
]] })
    ok(report({ title = "Echo" }), 201)
    local run = run_of("status=limit&file=rules/echo.lua")
    assert.equal("LIMIT_DEPTH", run.error.code)
    assert.equal("limit: depth 8 at rules/echo.lua:1", run.error.message)
    await("the end", idle)
    assert.equal(9, count("reports WHERE title = 'Echo'"))
  end)

  it("is switched off after it failed too often, and those who can mend it are told", function()
    publish({ ["rules/broken.lua"] = [[
on("report.created", function(event)
  error("always")
end)
on("report.created", function(event)
  log("well")
end)
]] })
    local socket = api:socket("token=" .. owner.token)
    assert.truthy(socket:expect("auth:ok"))
    ok(report({ title = "Breaks it" }), 201)
    for attempt = 1, FAILURES_MAX do
      run_of("status=retrying&file=rules/broken.lua", nil, attempt)
    end
    local told = socket:expect(function(message)
      return message.event == "script:failed" and message.data.switchedOff
    end, WAIT_S)
    assert.equal("rules/broken.lua:on:report.created:1", told.data.hook)
    socket:close()
    local off = ok(api:get("/scripts", { token = owner.token })).disabled
    assert.equal("rules/broken.lua", off[1].path)
    local notices = server:sql("SELECT message FROM notifications WHERE type = 'script.disabled'")
    assert.matches("failed 3 times running", notices)
    await("the end", function()
      hurry()
      return idle()
    end)
    ok(report({ title = "Goes on" }), 201)
    await("the end", idle)
    await("the records", function()
      return count("script_runs WHERE file = 'rules/broken.lua' AND status = 'ok'") == 2
    end)
    assert.equal(FAILURES_MAX, count("script_runs WHERE file = 'rules/broken.lua' AND status <> 'ok'"))
    -- What is corrected runs again.
    publish({ ["rules/broken.lua"] = [[
on("report.created", function(event)
  log("mended")
end)
]] })
    assert.same({}, ok(api:get("/scripts", { token = owner.token })).disabled)
    ok(report({ title = "Mended" }), 201)
    await("the record", function()
      return count("script_runs WHERE log LIKE '%mended%' AND status = 'ok'") == 1
    end)
  end)

  it("is told of live to who may read runs", function()
    publish({ ["rules/live.lua"] = [[
on("report.created", function(event) log("live " .. event.report.title) end)
]] })
    local socket = api:socket("token=" .. owner.token)
    assert.truthy(socket:expect("auth:ok"))
    socket:send({ type = "subscribe", topic = "scripts:runs" })
    assert.truthy(socket:expect("subscribed"))
    local other = api:socket("token=" .. dispatcher.token)
    assert.truthy(other:expect("auth:ok"))
    other:send({ type = "subscribe", topic = "scripts:runs" })
    assert.equal("FORBIDDEN", other:expect("error").code)
    other:close()
    ok(report({ title = "Tailed" }), 201)
    local frame = socket:expect(function(message)
      return message.event == "script:run" and message.data.file == "rules/live.lua"
    end, WAIT_S)
    assert.same({ "live Tailed" }, frame.data.log)
    socket:close()
    local snapshot = ok(api:get("/realtime/snapshot?topic=scripts:runs", { token = owner.token }))
    assert.truthy(cjson.encode(snapshot):find("live Tailed", 1, true))
  end)
end)

describe("a dry run", function()
  local function begin(body)
    return api:post("/scripts/test", { token = owner.token, json = body })
  end

  local function await_end(begun)
    return await("the test", function()
      local state = ok(api:get("/scripts/tests/" .. begun.id, { token = owner.token }))
      return state.state ~= "running" and state
    end)
  end

  -- What it tells, however long it takes.
  local function try(body)
    local answer = begin(body)
    return answer.status == 202 and await_end(answer.json.data).result or ok(answer)
  end

  it("shows what a draft would do about past events, and what differs from the active release",
    function()
      publish({ ["rules/dry.lua"] = [[
on("report.created", function(event)
  if event.report.title:find("^Dry") then
    workorders.create{ reportId = event.report.id, priority = "low" }
  end
end)
]] })
      ok(report({ title = "Dry lamp" }), 201)
      ok(report({ title = "Wet lamp" }), 201)
      await("the end", idle)
      local orders = count("work_orders")
      put("rules/dry.lua", [[
before("report.create", function(report)
  if report.title:find("^Wet") then reject("title", "no water") end
  if report.severity == "medium" then report.severity = "high" end
end)
on("report.created", function(event)
  if event.report.title:find("^Dry") then
    local order = workorders.create{ reportId = event.report.id, priority = "urgent" }
    log("made up " .. #order.id)
    workorders.create{ title = "after " .. order.id }
  end
end)
]])
      local answer = try({ last = 2, compare = "active" })
      local dry, wet = answer.events[1], answer.events[2]
      assert.equal("report.created", dry.event)
      assert.same({ "change", "workorders.create", "workorders.create" },
        { dry.actions[1].call, dry.actions[2].call, dry.actions[3].call })
      assert.same({ severity = "high" }, dry.actions[1].arguments)
      assert.equal("rules/dry.lua", dry.actions[2].file)
      assert.equal(7, dry.actions[2].line)
      assert.equal("urgent", dry.actions[2].arguments.priority)
      assert.same({ "made up 36" }, dry.log)
      assert.same({ field = "title", message = "no water" }, wet.actions[1].arguments)
      assert.equal(1, #wet.actions)
      assert.equal(2, #answer.difference)
      assert.equal("low", answer.difference[1].active[1].arguments.priority)
      assert.same({ 2, 4, 0, 2 }, { answer.totals.events, answer.totals.actions,
        answer.totals.errors, answer.totals.different })
      assert.equal(orders, count("work_orders"))
      answer = try({ eventId = dry.eventId })
      assert.equal(3, #answer.events[1].actions)
      answer = try({ event = { event = "report.created", data = { id = dry.resourceId,
        title = "Dry made up", severity = "low" } } })
      assert.equal(2, #answer.events[1].actions)
    end)

  it("goes by the time of the event and differs in nothing from a release that decides alike", function()
    local rule = [[
on("report.created", function(event)
  local order = workorders.create{ reportId = event.report.id }
  notify{ role = "dispatcher", title = now(), workOrderId = order.id }
  log(now() == event.occurredAt, math.random() < 2)
end)
]]
    publish({ ["rules/dry.lua"] = rule })
    ok(report({ title = "Decided alike" }), 201)
    await("the end", idle)
    put("rules/dry.lua", "-- In other words.\n" .. rule)
    local answer = try({ last = 1, compare = "active" })
    assert.same({ "true true" }, answer.events[1].log)
    assert.equal(2, #answer.events[1].actions)
    assert.same({ 0, 0 }, { answer.totals.different, #answer.difference }, cjson.encode(answer))
    put("rules/dry.lua", (rule:gsub("dispatcher", "owner")))
    answer = try({ last = 1, compare = "active" })
    assert.equal(1, answer.totals.different)
    assert.same({ "dispatcher", "owner" }, { answer.difference[1].active[2].arguments.role,
      answer.difference[1].draft[2].arguments.role })
  end)

  it("counts in kv from event to event, from what is there on, and leaves that as it is", function()
    local rule = [[
on("report.created", function(event)
  if not event.report.title:find("^Counted") then return end
  local seen = kv.get("seen") or {}
  seen[#seen + 1] = event.report.title:sub(-1)
  kv.set("seen", seen)
  log(table.concat(seen), kv.incr("counted"), kv.delete("once"), kv.delete("never"))
end)
on("report.created", function() kv.incr("beside") end)
]]
    publish({ ["rules/dry.lua"] = "on('report.created', function() kv.incr('counted', 10) end)\n" })
    for _, name in ipairs({ "1", "2", "3" }) do
      ok(report({ title = "Counted " .. name }), 201)
    end
    await("the end", idle)
    server:sql("INSERT INTO script_kv (tenant_id, name, value) SELECT id, 'once', '1' FROM tenants "
      .. "WHERE slug = 'riverton'")
    local before = server:sql("SELECT name, value FROM script_kv ORDER BY name")
    put("rules/dry.lua", rule)
    for _ = 1, 2 do -- one leaves nothing to the next
      local answer = try({ last = 3, compare = "active" })
      local logs = {}
      for i, event in ipairs(answer.events) do
        logs[i] = event.log[1]
      end
      assert.same({ "1 31 true false", "12 32 false false", "123 33 false false" }, logs)
      assert.equal(3, answer.totals.different)
      assert.equal(5, #answer.events[1].actions)
    end
    put("rules/dry.lua", "on('report.created', function() kv.set('list', {}) kv.incr('list') end)\n")
    local failed = try({ last = 1 }).events[1]
    assert.same({ 1, "VALIDATION_ERROR" }, { #failed.actions, failed.error.code })
    assert.equal(before, server:sql("SELECT name, value FROM script_kv ORDER BY name"))
  end)

  it("reads and changes what it has made up, in later events, too", function()
    ok(report({ title = "First of two" }), 201)
    ok(report({ title = "Second of two" }), 201)
    await("the end", idle)
    put("rules/dry.lua", [[
on("report.created", function(event)
  local order = workorders.create{ reportId = event.report.id, priority = "low" }
  workorders.update(order.id, { priority = "urgent" })
  local again = workorders.get(order.id)
  local other = reports.create{ title = "Beside it", category = "other", location = { description = "gate" } }
  reports.set_status(other.id, "acknowledged")
  local before = kv.get("last")
  log(again.id == order.id, again.priority, reports.get(other.id).status,
    before and workorders.get(before).priority)
  workorders.update(order.id, { priority = "high" })
  kv.set("last", order.id)
end)
]])
    local answer = try({ last = 2 })
    assert.same({ "true urgent acknowledged nil", "true urgent acknowledged high" },
      { answer.events[1].log[1], answer.events[2].log[1] }, cjson.encode(answer))
    put("rules/dry.lua", 'on("report.created", function() workorders.create{ title = "Fix it", team = "Knights" } end)\n')
    assert.equal("VALIDATION_ERROR", try({ last = 1 }).events[1].error.code)
  end)

  it("says what is wrong with the request, and with the draft", function()
    local function refused(status, body)
      local answer = api:post("/scripts/test", { token = owner.token, json = body })
      assert.equal(status, answer.status, answer.body)
      return answer.json.error
    end
    assert.equal("event", refused(400, {}).details[1].field)
    local details = refused(400, { last = 5000 }).details
    assert.same({ 1, "last", "range" }, { #details, details[1].field, details[1].code })
    assert.equal("event.event", refused(400, { event = { event = "report.vanished", data = {} } })
      .details[1].field)
    assert.equal("NOT_FOUND", refused(404, { eventId = "01a1fe30-4a20-7801-8518-f6b2802ed6f8" }).code)
    assert.equal("eventId", refused(400, { eventId = "x" }).details[1].field)
    local theirs = ok(api:post("/reports", { token = api:login("owner@northgrid.example").token, json = {
      title = "Theirs", category = "other", location = { description = "gate" } } }), 201)
    local event = await("their event", function()
      return server:sql("SELECT event_id FROM event_log WHERE resource_id = '" .. theirs.id .. "'"):match("%S+")
    end)
    assert.equal("NOT_FOUND", refused(404, { eventId = event }).code)
    put("rules/dry.lua", 'on("report.creatd", function() end)\n')
    local err = refused(422, { last = 1 })
    assert.equal("CHECK_FAILED", err.code)
    assert.matches("did you mean 'report.created'", err.details[1].message)
    assert.truthy(err.details[1].column)
    put("rules/dry.lua", 'on("report.creatd", function()\n  reprots.create{}\nend)\n')
    err = refused(422, { last = 1 })
    assert.same({ 2, 3 }, { err.details[2].line, err.details[2].column })
    local published = api:post("/scripts/publish", { token = owner.token, json = { message = "m" } })
    assert.same({ published.json.error.code, published.json.error.details }, { err.code, err.details })
  end)

  it("is had by many at once, also of a draft that nobody has looked at", function()
    put("rules/dry.lua", 'on("report.created", function() log("all of us") end)\n')
    local statuses = client.times(20, function()
      return begin({ event = { event = "report.created", data = {} } }).status
    end)
    for _, status in ipairs(statuses) do
      assert.is_true(status == 200 or status == 202, tostring(status))
    end
  end)

  it("goes on as a job when it takes long", function()
    put("rules/dry.lua", 'on("report.created", function() while true do end end)\n')
    local begun = ok(begin({ last = 6 }), 202)
    assert.equal("running", begun.state)
    local path = "/scripts/tests/" .. begun.id
    local before = api:get(path, { token = owner.token })
    local done = await_end(begun)
    assert.equal(before.json.data.state == "done", is_held(path, before))
    assert.is_true(is_held(path, api:get(path, { token = owner.token })))
    assert.equal("done", done.state)
    assert.equal(6, done.result.totals.errors)
    assert.equal("LIMIT_CPU", done.result.events[1].error.code)
  end)
end)

describe("runs", function()
  -- What the runs of a list are of: {["rules/on.lua ok"] = true}.
  local function kinds(query)
    local seen = {}
    for _, run in ipairs(runs(query)) do
      seen[run.file .. " " .. run.status] = true
    end
    return seen
  end

  it("are listed by file and status, and summed", function()
    assert.same({ ["rules/on.lua ok"] = true }, kinds("file=rules/on.lua&status=ok&limit=5"))
    assert.same({ ["rules/on.lua ok"] = true, ["rules/on.lua retrying"] = true,
      ["rules/open.lua error"] = true },
      kinds("file=rules/on.lua,rules/open.lua&status=ok,retrying,error&limit=100"))
    for _, query in ipairs({ "status=fine", "status=ok,fine", "status=", "file=" }) do
      assert.equal(400, api:get("/scripts/runs?" .. query, { token = owner.token }).status, query)
    end
    local stats = ok(api:get("/scripts/stats", { token = owner.token }))
    assert.truthy(stats.totals.runs > 10 and stats.totals.errors > 0 and stats.totals.limits > 0)
    local northgrid = api:login("owner@northgrid.example")
    assert.same({}, ok(api:get("/scripts/runs", { token = northgrid.token })))
    local id = runs("limit=1")[1].id
    assert.equal(404, api:get("/scripts/runs/" .. id, { token = northgrid.token }).status)
    local metrics = api:get("/metrics", { root = true }).body
    assert.matches('fixxit_script_runs_total{kind="before",status="rejected"} [1-9]', metrics)
    assert.matches('fixxit_script_limits_total{limit="depth"} 1', metrics)
  end)
end)
