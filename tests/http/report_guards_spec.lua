-- Guards of a report's steps hold whichever way the report gets there: by its status, by merging, by
-- the work on it.
local expect = require("tests.support.expect")
local servers = require("tests.support.server")

local ok, refused = expect.ok, expect.refused

local server, api, owner, dispatcher, technician

local GUARDS = [[
transition{ of = "report", from = "submitted", to = "duplicate",
  guard = function(_, user) return user.role == "owner" end }
transition{ of = "report", from = "submitted", to = "acknowledged",
  guard = function(report) return report.title ~= "Held" end }
transition{ of = "report", from = "acknowledged", to = "in_progress",
  guard = function(report) return report.status == "acknowledged" and report.title ~= "Idle" end }
transition{ of = "report", from = "in_progress", to = "resolved",
  guard = function(report, user) return user.role == report.metadata.by end }
]]
local MERGE, ACKNOWLEDGE, START, RESOLVE = "rules/guards.lua:1", "rules/guards.lua:3",
  "rules/guards.lua:5", "rules/guards.lua:7"

local function by(who, json)
  return { token = who.token, json = json }
end

local function publish(files)
  for path, content in pairs(files) do
    ok(api:put("/scripts/draft/" .. path, by(owner, { content = content })))
  end
  ok(api:post("/scripts/publish", by(owner, { message = "spec" })))
end

setup(function()
  server = servers.start()
  api = server.api
  owner = api:login("owner@riverton.example")
  dispatcher = api:login("dispatcher@riverton.example")
  technician = api:login("tech1@riverton.example")
  publish({ ["rules/guards.lua"] = GUARDS })
end)

teardown(function()
  server:stop()
end)

local function report(title, metadata)
  return ok(api:post("/reports", by(dispatcher, { title = title or "A hole", category = "roads",
    location = { description = "here" }, metadata = metadata }))).id
end

local function status_of(id)
  return ok(api:get("/reports/" .. id, by(dispatcher))).status
end

-- All that a change of a report writes.
local function traces(id)
  return server:sql(([[SELECT (SELECT version FROM reports WHERE id = '%s'),
    (SELECT COUNT(*) FROM report_status_history WHERE report_id = '%s'),
    (SELECT COUNT(*) FROM audit_logs WHERE resource_id = '%s'),
    (SELECT COUNT(*) FROM event_log WHERE resource_id = '%s') + (SELECT COUNT(*) FROM outbox)]]):gsub("%%s", id))
end

local function settled(id)
  for _ = 1, 100 do
    if tonumber(server:sql("SELECT COUNT(*) FROM outbox")) == 0 then
      return traces(id)
    end
    servers.sleep(0.1)
  end
  error("the events are not numbered")
end

describe("a report that is merged", function()
  it("asks the guards of that step, and stays as it is when they refuse", function()
    local one, other = report(), report()
    local before = settled(one)
    local said = refused(422, "REJECTED_BY_RULE",
      api:post("/reports/" .. one .. "/merge", by(dispatcher, { into = other })))
    assert.equal(MERGE, said.rule)
    assert.same({ "submitted", "duplicate" }, { said.details[1].from, said.details[1].to })
    assert.equal(before, settled(one))
    assert.equal("duplicate", ok(api:post("/reports/" .. one .. "/merge",
      by(owner, { into = other }))).status)
  end)

  it("is an action, which rules stand in front of and dry runs know", function()
    local one, other, third = report(), report("Protected"), report()
    ok(api:post("/reports/" .. third .. "/merge", by(owner, { into = one })))
    local rule = [[
before("report.merge", function(merge, about)
  if about.current.title == "A hole" and reports.get(merge.into).title == "Protected" then
    reject("into", "not into that one")
  end
end)
before("report.status", function(change) reject("status", "that is no " .. change.status) end)
]]
    publish({ ["rules/merge.lua"] = rule })
    local said = refused(422, "REJECTED_BY_RULE",
      api:post("/reports/" .. one .. "/merge", by(owner, { into = other })))
    assert.same({ "into", "not into that one" }, { said.details[1].field, said.details[1].message })
    assert.equal("submitted", status_of(one))
    assert.equal("duplicate", ok(api:post("/reports/" .. other .. "/merge",
      by(owner, { into = one }))).status)
    settled(third)
    local event = server:sql("SELECT event_id FROM event_log WHERE resource_id = '" .. third
      .. "' ORDER BY seq DESC LIMIT 1"):match("%S+")
    ok(api:put("/scripts/draft/rules/merge.lua", by(owner, { content =
      'before("report.merge", function(merge) reject("into", merge.into) end)' })))
    local tried = ok(api:post("/scripts/test", by(owner, { eventId = event })))
    assert.same({ call = "reject", arguments = { field = "into", message = one },
      file = "rules/merge.lua", line = 1 }, tried.events[1].actions[1])
    publish({ ["rules/merge.lua"] = "-- nothing" })
  end)
end)

describe("a report that its work carries forward", function()
  local function put(who, order, action, body)
    return ok(api:put("/workorders/" .. order .. "/" .. action, by(who, body or {})))
  end

  local function order_for(id)
    local order, meta = ok(api:post("/workorders", by(dispatcher, { reportId = id })))
    return order.id, meta
  end

  local function assigned(id)
    local order = order_for(id)
    put(dispatcher, order, "assign", { userId = technician.user.id })
    return order
  end

  it("stays where a guard holds it, while the work is made", function()
    local id = report("Held")
    local before = settled(id)
    local order, meta = order_for(id)
    assert.same({ status = "acknowledged", rule = ACKNOWLEDGE }, meta.reportHeld)
    assert.equal("submitted", status_of(id))
    local history = ok(api:get("/workorders/" .. order .. "/history", by(dispatcher)))
    assert.same({ action = "report_held", details = meta.reportHeld },
      { action = history[2].action, details = history[2].details })
    local held = "FROM audit_logs WHERE resource_id = '" .. id .. "' AND action = 'report.held'"
    assert.equal("1\n", server:sql("SELECT COUNT(*) " .. held))
    assert.matches(ACKNOWLEDGE, server:sql("SELECT new_values " .. held))
    -- nothing of the report but that
    local version, lines, audit, events = settled(id):match("(%d+)\t(%d+)\t(%d+)\t(%d+)")
    assert.equal(before, ("%d\t%d\t%d\t%d\n"):format(version, lines, audit - 1, events))
  end)

  it("goes as far as the guards let it, each asked with the state that it would have", function()
    local id = report("Idle")
    local order = assigned(id)
    assert.equal("acknowledged", status_of(id))
    local shown, meta = put(technician, order, "accept")
    assert.equal("accepted", shown.status)
    assert.same({ status = "in_progress", rule = START }, meta.reportHeld)
    assert.equal("acknowledged", status_of(id))
    ok(api:put("/reports/" .. id, by(dispatcher, { title = "A hole" })))
    meta = select(2, put(technician, order, "start")) -- with the next step of its work
    assert.is_nil(meta)
    assert.equal("in_progress", status_of(id))
  end)

  it("is not resolved by who may not, though the work is done", function()
    local id = report("A hole", { by = "dispatcher" })
    local order = assigned(id)
    put(technician, order, "accept")
    put(technician, order, "start")
    local shown, meta = put(technician, order, "complete", { notes = "filled" })
    assert.equal("completed", shown.status)
    assert.same({ status = "resolved", rule = RESOLVE }, meta.reportHeld)
    assert.equal("in_progress", status_of(id))
    ok(api:put("/reports/" .. id .. "/status", by(dispatcher, { status = "resolved" })))
    assert.equal("resolved", status_of(id))
  end)

  it("is resolved by who may, when all work is done and not before", function()
    local id = report("A hole", { by = "technician" })
    local first, second = assigned(id), assigned(id)
    for _, order in ipairs({ first, second }) do
      put(technician, order, "accept")
      put(technician, order, "start")
      assert.equal("in_progress", status_of(id))
      local _, meta = put(technician, order, "complete")
      assert.is_nil(meta)
    end
    assert.equal("resolved", status_of(id))
  end)

  it("is held by a guard that fails", function()
    publish({ ["rules/guards.lua"] = 'transition{ of = "report", from = "submitted", '
      .. 'to = "acknowledged",\n  guard = function(r) return r.no.where end }' })
    local id = report()
    local _, meta = order_for(id)
    assert.same({ status = "acknowledged", rule = "rules/guards.lua:2" }, meta.reportHeld)
    assert.equal("submitted", status_of(id))
  end)
end)
