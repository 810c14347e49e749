-- Work orders on a real database.
local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local events = require("services.events")
local identity = require("services.identity")
local json = require("core.json")
local list = require("plugins.reports.list")
local reading = require("plugins.reports.reading")
local reports = require("plugins.reports.service")
local status = require("plugins.reports.status")
local remediations = require("plugins.workorders.remediations")
local service = require("plugins.workorders.service")
local teams_store = require("plugins.workorders.teams_store")

local function raised(code, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(err, code), tostring(err))
  return err
end

local function report_of(ctx, id)
  return json.decode(json.encode((reading.show(ctx, id))))
end

describe("work orders", function()
  local tenant, dana, adam, tom, tara

  local function member(role, index)
    local system = context.system({ tenant = tenant, name = "spec" })
    local found = identity.members_with_role(system, { role })[index or 1]
    return context.new({ tenant = tenant, actor = {
      kind = "user", user_id = found.id, name = found.name, role = role,
      permissions = setmetatable({}, { __index = function(_, permission)
        return identity.role_has(role, permission)
      end }),
    } })
  end

  local function new_report()
    return reports.create(dana, { title = "Broken lamp", category = "street_light",
      severity = "high", tags = {}, metadata = {}, location = { description = "Mill Road" } }).id
  end

  local function take(who, id, ...)
    for _, action in ipairs({ ... }) do
      service.act(who, id, action, {})
    end
  end

  setup(function()
    require("services.identity.seed").run(context.system({ name = "spec" }))
    tenant = identity.find_tenant_by_slug(context.system({ name = "spec" }), "riverton")
    dana, adam = member("dispatcher"), member("admin")
    tom, tara = member("technician", 1), member("technician", 2)
    require("plugins.workorders").start()
  end)

  it("take title, place and priority from their report, and show up in it", function()
    local report_id = new_report()
    local order = service.create(dana, { reportId = report_id })
    assert.equal("Broken lamp", order.title)
    assert.equal("high", order.priority)
    assert.equal("Mill Road", order.location.description)
    local detail = report_of(dana, report_id)
    assert.equal("acknowledged", detail.status)
    assert.equal(order.id, detail.workOrders[1].id)
  end)

  it("show up in a list of reports by one query, as far as the reader may see them", function()
    local store = require("plugins.workorders.store")
    local one, two = new_report(), new_report()
    local order = service.create(dana, { reportId = one }).id
    service.create(dana, { reportId = two })
    service.assign(dana, order, { userId = tom.actor.user_id })
    local find = spy.on(store, "find_by_reports")
    finally(function()
      find:revert()
    end)
    local rows = list.find(dana, { limit = 2, include = { "workOrders" } })
    assert.same({ 1, 1 }, { #rows[1].workOrders, #rows[2].workOrders })
    assert.spy(find).was.called(1)
    local seen = service.summaries_of_reports(tom, { one, two })
    assert.same({ 1, 0 }, { #seen[one], #seen[two] })
  end)

  it("have numbers without gaps, also when one is rolled back", function()
    local function number_of(order)
      return tonumber(order.number:match("(%d+)$"))
    end
    local first = number_of(service.create(dana, { title = "One" }))
    pcall(db.transaction, dana, function(tx)
      service.create(tx, { title = "Never was" })
      error("changed my mind")
    end)
    assert.equal(first + 1, number_of(service.create(dana, { title = "Two" })))
  end)

  it("carry their report along, which is resolved with the last of them", function()
    local report_id = new_report()
    local one = service.create(dana, { reportId = report_id }).id
    local two = service.create(dana, { reportId = report_id }).id
    service.assign(dana, one, { userId = tom.actor.user_id })
    service.assign(dana, two, { userId = tara.actor.user_id })
    take(tom, one, "accept", "start", "complete")
    assert.equal("in_progress", report_of(dana, report_id).status)
    take(tara, two, "accept", "start", "complete")
    assert.equal("resolved", report_of(dana, report_id).status)
  end)

  it("carry it when the last that is open is deleted", function()
    local report_id = new_report()
    local one = service.create(dana, { reportId = report_id }).id
    local two = service.create(dana, { reportId = report_id }).id
    service.assign(dana, one, { userId = tom.actor.user_id })
    take(tom, one, "accept", "start", "complete")
    assert.equal("in_progress", report_of(dana, report_id).status)
    service.delete(adam, two)
    assert.equal("resolved", report_of(dana, report_id).status)
    local alone = new_report()
    service.delete(adam, service.create(dana, { reportId = alone }).id)
    assert.equal("acknowledged", report_of(dana, alone).status)
  end)

  it("are not made of a report that is done", function()
    local report_id = new_report()
    status.set_status(dana, report_id, { status = "rejected", reason = "no hazard" })
    raised("CONFLICT", service.create, dana, { reportId = report_id })
  end)

  it("are taken by a member of the team that has them, who has them then", function()
    local team = teams_store.insert(dana, { name = "Lamps" })
    teams_store.add_member(dana, team, tom.actor.user_id)
    local id = service.create(dana, { title = "For the team" }).id
    service.assign(dana, id, { teamId = team })
    raised("NOT_FOUND", service.act, tara, id, "accept", {})
    service.act(tom, id, "accept", {})
    assert.equal(tom.actor.user_id, service.get(dana, id).assignedTo)
  end)

  it("go back to pending when they are rejected, and the history keeps why", function()
    local id = service.create(dana, { title = "Not mine" }).id
    service.assign(dana, id, { userId = tom.actor.user_id })
    service.act(tom, id, "reject", { reason = "on leave" })
    assert.equal("pending", service.get(dana, id).status)
    assert.is_nil(service.get(dana, id).assignedTo)
    local history = service.get_history(dana, id)
    assert.equal("reject", history[#history].action)
    assert.equal("on leave", history[#history].reason)
    raised("NOT_FOUND", service.get, tom, id)
  end)

  it("are given by the faster of two dispatchers", function()
    local id = service.create(dana, { title = "Wanted by two" }).id
    service.assign(dana, id, { userId = tom.actor.user_id })
    raised("ASSIGN_RACE", service.assign, adam, id, { userId = tara.actor.user_id })
    service.assign(adam, id, { userId = tara.actor.user_id,
      expectedAssignee = tom.actor.user_id })
    raised("ASSIGN_RACE", service.assign, dana, id, { userId = tom.actor.user_id,
      expectedAssignee = tom.actor.user_id })
    service.assign(dana, id, { userId = tom.actor.user_id, force = true })
  end)

  it("tell with each step from which status it was, where that is another", function()
    local id = service.create(dana, { title = "Step by step" }).id
    service.assign(dana, id, { userId = tom.actor.user_id })
    service.assign(dana, id, { userId = tara.actor.user_id, force = true })
    service.act(tara, id, "accept", {})
    service.update(dana, id, { title = "One by one" })
    local told = {}
    for i, row in ipairs(db.platform(context.system({ name = "spec" })):query(
      "SELECT event, payload FROM outbox WHERE resource_id = ? ORDER BY id", id)) do
      told[i] = { row.event, json.decode(row.payload).previousStatus }
    end
    assert.same({ { "workorder.created" }, { "workorder.assigned", "pending" },
      { "workorder.assigned" }, { "workorder.updated", "assigned" }, { "workorder.updated" } }, told)
  end)

  it("name nobody where what is written stays", function()
    local id = service.create(dana, { title = "Whose is it" }).id
    service.assign(dana, id, { userId = tom.actor.user_id })
    service.assign(adam, id, { userId = tara.actor.user_id, force = true })
    local scope = db.platform(context.system({ name = "spec" }))
    local row = scope:one([[SELECT payload, personal FROM outbox WHERE resource_id = ?
      ORDER BY id DESC LIMIT 1]], id)
    local event = events.open(dana, { data = json.decode(row.payload),
      personal = json.decode(row.personal) })
    assert.equal(tara.actor.name, event.data.assignee.name)
    assert.equal(tom.actor.name, event.data.previous.assignee.name)
    assert.equal(tom.actor.user_id, event.data.previous.assignedTo)
    for _, source in ipairs({ "SELECT CONCAT(payload, COALESCE(personal, '')) AS text FROM outbox",
      "SELECT CONCAT(COALESCE(old_values, ''), new_values) AS text FROM audit_logs" }) do
      local rows = scope:query(source .. " WHERE resource_id = ?", id)
      assert.equal(3, #rows)
      for _, kept in ipairs(rows) do
        for _, who in ipairs({ tom, tara }) do
          assert.is_nil(kept.text:find(who.actor.name, 1, true), kept.text)
        end
      end
      assert.truthy(rows[3].text:find(tara.actor.user_id, 1, true))
    end
  end)

  it("are not given to people who do not do them", function()
    local id = service.create(dana, { title = "For whom" }).id
    local viewer = member("viewer")
    local err = raised("VALIDATION_ERROR", service.assign, dana, id,
      { userId = viewer.actor.user_id })
    assert.equal("userId", err.details[1].field)
  end)

  it("have remediations that their performer may change until they are verified", function()
    local id = service.create(dana, { title = "To be documented" }).id
    service.assign(dana, id, { userId = tom.actor.user_id })
    take(tom, id, "accept", "start")
    local made = remediations.create(tom, { workOrderId = id, description = "Lamp replaced" })
    raised("FORBIDDEN", remediations.update, dana, made.id, { timeSpent = 5 })
    assert.equal(20, remediations.update(tom, made.id, { timeSpent = 20 }).timeSpent)
    take(tom, id, "complete")
    take(dana, id, "verify")
    raised("CONFLICT", remediations.update, tom, made.id, { timeSpent = 30 })
    assert.equal(1, #remediations.list(dana, id))
  end)
end)
