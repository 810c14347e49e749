-- What tenants' scripts can do, on a real database: as the API does it, in their own tenant alone.
local config = require("core.config")
local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local http_client = require("core.http_client")
local identity = require("services.identity")
local json = require("core.json")
local registry = require("core.registry")
local task = require("core.task")
local time = require("core.time")
local uuid = require("core.uuid")
local kv_store = require("services.scripts.capabilities.kv_store")
local limits = require("services.scripts.limits")
local secrets = require("services.scripts.secrets")
local urls = require("services.scripts.capabilities.url")

local system = context.system({ name = "spec" })
local STRICT = { strict = true }

-- Everything that is registered: name -> entry.
local function all_capabilities()
  local all = {}
  for _, offered in ipairs({ require("services.scripts").scripts, require("plugins.reports").scripts,
    require("plugins.workorders").scripts }) do
    for _, entries in pairs(offered.capabilities) do
      for _, entry in ipairs(entries) do
        all[entry.name] = entry
      end
    end
  end
  return all
end

describe("scripts' capabilities", function()
  local capabilities, permissions = all_capabilities(), {}
  local hooks, audiences, file_parents = registry.hooks, registry.audiences, registry.file_parents
  local riverton, northgrid -- {tenant=, ctx= of a script, person= of staff}

  local function member(tenant, role)
    local found = identity.members_with_role(context.system({ tenant = tenant, name = "spec" }), { role })[1]
    return context.new({ tenant = tenant, actor = { kind = "user", user_id = found.id, role = role,
      permissions = setmetatable({}, { __index = function(_, permission)
        return identity.role_has(role, permission)
      end }) } })
  end

  local function place(slug)
    local tenant = identity.find_tenant_by_slug(system, slug)
    return { tenant = tenant, person = member(tenant, "dispatcher"),
      ctx = context.script({ tenant = tenant, file = "rules/a.lua", release = 7,
        permissions = permissions }) }
  end

  -- Calls as a run does: arguments are checked, a value comes back as JSON.
  local function call(where, name, arguments)
    local entry = assert(capabilities[name], name)
    local clean, problems = entry.arguments:validate(arguments, STRICT)
    if problems then
      errors.validation(problems)
    end
    local limit = where.limits or limits.of(where.ctx.tenant, "on")
    local value = entry.run(where.ctx, clean, { key = uuid.v7(), limits = limit,
      until_ms = time.monotonic_ms() + limit.wall_ms })
    return json.decode(json.encode({ v = value == nil and json.null or value })).v
  end

  local function refused(code, where, name, arguments)
    local ok, err = pcall(call, where, name, arguments)
    assert.is_false(ok, name .. " was not refused")
    assert.is_true(errors.is(err), tostring(err))
    assert.equal(code, err.code, name .. ": " .. tostring(err))
    return err
  end

  local function wrong_field(name, arguments)
    return refused("VALIDATION_ERROR", riverton, name, arguments).details[1].field
  end

  local function report(where, more)
    local arguments = { title = "Sparks", category = "other", location = { description = "gate" } }
    for key, value in pairs(more or {}) do
      arguments[key] = value
    end
    return call(where, "reports.create", arguments)
  end

  setup(function()
    require("services.identity.seed").run(system)
    registry.hooks = { recipients = identity.hooks.recipients, find_tenant = identity.find_tenant }
    registry.audiences = require("plugins.workorders").audiences
    registry.file_parents = {}
    for _, name in ipairs({ "plugins.reports", "plugins.workorders" }) do
      for kind, parent in pairs(require(name).file_parents) do
        registry.file_parents[kind] = parent
      end
    end
    for _, offered in ipairs({ require("services.scripts").scripts, require("plugins.reports").scripts,
      require("plugins.workorders").scripts }) do
      for _, permission in ipairs(offered.permissions) do
        permissions[permission] = true
      end
    end
    require("plugins.workorders").start()
    riverton, northgrid = place("riverton"), place("northgrid")
    for _, where in ipairs({ riverton, northgrid }) do
      local store = require("plugins.workorders.teams_store")
      where.team = store.find_by_name(where.ctx, "Sparkies") and store.find_by_name(where.ctx, "Sparkies").id
        or store.insert(where.ctx, { name = "Sparkies" })
      where.technician = identity.members_with_role(context.system({ tenant = where.tenant, name = "spec" }),
        { "technician" })[1]
      if #store.list_members(where.ctx, { where.team }) == 0 then
        store.add_member(where.ctx, where.team, where.technician.id)
      end
    end
  end)

  teardown(function()
    registry.hooks, registry.audiences, registry.file_parents = hooks, audiences, file_parents
  end)

  it("can be pretended where they write or reach outside", function()
    for name, entry in pairs(capabilities) do
      if entry.writes or entry.outside then
        assert.is_function(entry.made_up, name)
      end
      for _, parameter in ipairs(entry.parameters or {}) do
        assert.truthy(entry.arguments.fields[parameter], name .. " has no argument " .. parameter)
      end
    end
  end)

  it("change reports as the API does, in the name of the script", function()
    local made = report(riverton, { severity = "high" })
    assert.same({ "submitted", "high" }, { made.status, made.severity })
    call(riverton, "reports.update", { id = made.id, changes = { title = "Sparks at the gate" } })
    local acknowledged = call(riverton, "reports.set_status",
      { id = made.id, status = "acknowledged", reason = "seen" })
    assert.same({ "acknowledged", "Sparks at the gate" }, { acknowledged.status, acknowledged.title })
    local trail = db.platform(system):query(
      "SELECT action, actor, user_id FROM audit_logs WHERE resource_id = ? ORDER BY id", made.id)
    assert.same({ "report.create", "report.update", "report.status" },
      { trail[1].action, trail[2].action, trail[3].action })
    for _, row in ipairs(trail) do
      assert.same({ "script:rules/a.lua@7" }, { row.actor, row.user_id })
    end
    local survivor = report(riverton)
    assert.equal(survivor.id, call(riverton, "reports.merge", { id = made.id, into = survivor.id }).duplicateOf)
    refused("INVALID_TRANSITION", riverton, "reports.set_status", { id = survivor.id, status = "closed" })
  end)

  it("find and count reports", function()
    local made = report(riverton, { title = "Unusual humming", category = "electrical" })
    assert.equal(made.id, call(riverton, "reports.get", { id = made.id }).id)
    local found = call(riverton, "reports.list", { q = "humming", status = "submitted", limit = 5 })
    assert.same({ 1, made.id }, { #found, found[1].id })
    assert.equal(1, call(riverton, "reports.count", { q = "humming", status = json.array({ "submitted" }) }))
    assert.same({ { name = "electrical", count = 1 } },
      call(riverton, "reports.count", { q = "humming", by = "category" }))
    assert.same({ { count = 1 } }, call(riverton, "reports.count", { q = "humming", by = "team" }))
    call(riverton, "workorders.create", { reportId = made.id, team = "sparkies" })
    assert.same({ { name = "Sparkies", count = 1 } },
      call(riverton, "reports.count", { q = "humming", by = "team" }))
    assert.same({ "by", "status", "status", "colour" }, {
      wrong_field("reports.count", { by = "colour" }), wrong_field("reports.list", { status = "lost" }),
      wrong_field("workorders.count", { status = "lost" }),
      wrong_field("reports.list", { colour = "red" }) })
  end)

  it("name the argument that is wrong", function()
    local made = report(riverton)
    assert.equal("category", wrong_field("reports.create", { title = "Sparks", category = "none",
      location = { description = "x" } }))
    assert.equal("location.longitude", wrong_field("reports.create", { title = "Sparks",
      category = "other", location = { latitude = 1 } }))
    assert.equal("changes.title", wrong_field("reports.update", { id = made.id, changes = { title = "x" } }))
    assert.equal("changes.colour", wrong_field("reports.update", { id = made.id, changes = { colour = "x" } }))
    assert.equal("changes.category",
      wrong_field("reports.update", { id = made.id, changes = { category = "none" } }))
    assert.equal("id", wrong_field("reports.get", { id = "one" }))
    assert.equal("team", wrong_field("workorders.create", { title = "Fix it", team = "Knights" }))
    assert.equal("priority", wrong_field("workorders.create", { title = "Fix it", priority = "asap" }))
    assert.equal("user", wrong_field("notify", { title = "x" }))
    assert.equal("channels[0]", wrong_field("notify", { title = "x", role = "owner",
      channels = json.array({ "fax" }) }))
    assert.equal("to.roles", wrong_field("notify", { title = "x", role = "king" }))
    assert.equal("from", wrong_field("time.business_hours", { from = "yesterday", to = "2026-01-01T00:00:00Z" }))
  end)

  it("make, give and move work", function()
    local made = report(riverton, { severity = "critical" })
    local order = call(riverton, "workorders.create", { reportId = made.id, priority = "high",
      team = "Sparkies", message = nil })
    assert.same({ "assigned", riverton.team, "high", made.id },
      { order.status, order.teamId, order.priority, order.reportId })
    assert.equal("urgent", call(riverton, "workorders.update",
      { id = order.id, changes = { priority = "urgent" } }).priority)
    assert.equal(riverton.technician.id, call(riverton, "workorders.assign", { id = order.id,
      to = { userId = riverton.technician.id, message = "You are near" } }).assignedTo)
    assert.equal(order.id, call(riverton, "workorders.list", { reportId = made.id })[1].id)
    assert.equal(1, call(riverton, "workorders.count", { reportId = made.id, priority = "urgent" }))
    assert.same({ { name = "assigned", count = 1 } },
      call(riverton, "workorders.count", { reportId = made.id, by = "status" }))
    refused("INVALID_TRANSITION", riverton, "workorders.start", { id = order.id })
    require("plugins.workorders.service").act(member(riverton.tenant, "technician"), order.id, "accept", {})
    call(riverton, "workorders.start", { id = order.id })
    assert.equal("on_hold", call(riverton, "workorders.hold", { id = order.id, reason = "rain" }).status)
    call(riverton, "workorders.resume", { id = order.id })
    local done = call(riverton, "remediations.create", { workOrderId = order.id, description = "New cable" })
    assert.equal(done.id, call(riverton, "remediations.list", { workOrderId = order.id })[1].id)
    assert.equal("completed", call(riverton, "workorders.complete", { id = order.id,
      input = { notes = "done" } }).status)
    assert.equal("verified", call(riverton, "workorders.verify", { id = order.id }).status)
    local other = call(riverton, "workorders.create", { title = "Spare" })
    assert.equal("cancelled", call(riverton, "workorders.cancel", { id = other.id, reason = "none" }).status)
    local held = call(riverton, "workorders.create", { title = "Third" })
    assert.equal("cancelled", call(riverton, "workorders.set_status",
      { id = held.id, status = "cancelled", reason = "none" }).status)
    refused("INVALID_TRANSITION", riverton, "workorders.set_status", { id = held.id, status = "pending" })
    assert.equal("reason", wrong_field("workorders.hold", { id = other.id }))
    assert.same({ "Sparkies", riverton.technician.id }, {
      call(riverton, "teams.get", { team = riverton.team }).name,
      call(riverton, "teams.get", { team = "SPARKIES" }).members[1].id })
    assert.equal(json.null, call(riverton, "teams.get", { team = "Knights" }))
    assert.is_true(#call(riverton, "teams.list", {}) >= 1)
  end)

  it("read people and tell them things", function()
    local people = call(riverton, "users.list", { role = "dispatcher" })
    assert.same({ 1, "dispatcher@riverton.example" }, { #people, people[1].email })
    assert.equal("dispatcher", call(riverton, "users.get", { id = people[1].id }).role)
    assert.equal(1, call(riverton, "notify", { role = "dispatcher", title = "Live wire in the street",
      channels = json.array({ "in_app", "sms" }), reportId = report(riverton).id,
      workOrderId = call(riverton, "workorders.create", { title = "Make it safe" }).id }))
    assert.equal(1, call(riverton, "notify", { team = "Sparkies", user = riverton.technician.id,
      title = "Twice named" }))
    local row = db.platform(system):one("SELECT title, message, type, data FROM notifications "
      .. "WHERE user_id = ? AND title = 'Live wire in the street'", people[1].id)
    assert.same({ "Live wire in the street", "script.message" }, { row.message, row.type })
    assert.is_string(json.decode(row.data).workOrderId)
    local weak = { ctx = riverton.ctx:with({ actor = { kind = "script", name = "x", permissions = {} } }) }
    refused("FORBIDDEN", weak, "users.list", {})
  end)

  it("give nothing of another tenant, whatever id is asked for", function()
    local made = report(northgrid, { title = "Theirs", category = "other" })
    local order = call(northgrid, "workorders.create", { reportId = made.id, team = "Sparkies" })
    call(northgrid, "kv.set", { key = "theirs", value = 1 })
    secrets.put(northgrid.person, "theirs", "s3cret")
    local mine = report(riverton)
    local my_order = call(riverton, "workorders.create", { title = "Mine" })
    local person = northgrid.technician.id
    local before = db.platform(system):one("SELECT COUNT(*) AS n FROM audit_logs WHERE tenant_id = ?",
      northgrid.tenant.id).n
    -- For each capability: what it is asked, and with which error, or what it gives.
    local cases = {
      ["reports.get"] = { { { id = made.id }, "NOT_FOUND" } },
      ["reports.list"] = { { { q = "Theirs" }, {} }, { { reporter = person }, {} },
        { { assignee = person }, {} } },
      ["reports.count"] = { { { q = "Theirs" }, 0 }, { { q = "Theirs", by = "team" }, {} } },
      ["reports.create"] = {},
      ["reports.update"] = { { { id = made.id, changes = { title = "Mine now" } }, "NOT_FOUND" } },
      ["reports.set_status"] = { { { id = made.id, status = "acknowledged" }, "NOT_FOUND" } },
      ["reports.merge"] = { { { id = made.id, into = mine.id }, "NOT_FOUND" },
        { { id = mine.id, into = made.id }, "NOT_FOUND" } },
      ["workorders.get"] = { { { id = order.id }, "NOT_FOUND" } },
      ["workorders.list"] = { { { reportId = made.id }, {} }, { { assignee = person }, {} },
        { { team = northgrid.team }, "VALIDATION_ERROR" } },
      ["workorders.count"] = { { { reportId = made.id }, 0 }, { { reportId = made.id, by = "team" }, {} },
        { { team = northgrid.team }, "VALIDATION_ERROR" } },
      ["workorders.create"] = { { { reportId = made.id }, "NOT_FOUND" },
        { { title = "Fix it", userId = person }, "VALIDATION_ERROR" },
        { { title = "Fix it", team = northgrid.team }, "VALIDATION_ERROR" } },
      ["workorders.update"] = { { { id = order.id, changes = { title = "Mine now" } }, "NOT_FOUND" } },
      ["workorders.assign"] = { { { id = order.id, to = { userId = riverton.technician.id } }, "NOT_FOUND" },
        { { id = my_order.id, to = { userId = person } }, "VALIDATION_ERROR" },
        { { id = my_order.id, to = { team = northgrid.team } }, "VALIDATION_ERROR" } },
      ["workorders.set_status"] = { { { id = order.id, status = "cancelled" }, "NOT_FOUND" } },
      ["workorders.start"] = { { { id = order.id }, "NOT_FOUND" } },
      ["workorders.hold"] = { { { id = order.id, reason = "x" }, "NOT_FOUND" } },
      ["workorders.resume"] = { { { id = order.id }, "NOT_FOUND" } },
      ["workorders.cancel"] = { { { id = order.id, reason = "x" }, "NOT_FOUND" } },
      ["workorders.verify"] = { { { id = order.id }, "NOT_FOUND" } },
      ["workorders.complete"] = { { { id = order.id }, "NOT_FOUND" } },
      ["remediations.list"] = { { { workOrderId = order.id }, "NOT_FOUND" } },
      ["remediations.create"] = { { { workOrderId = order.id, description = "xyz" }, "NOT_FOUND" } },
      ["teams.list"] = {},
      ["teams.get"] = { { { team = northgrid.team }, json.null } },
      ["users.get"] = { { { id = person }, "NOT_FOUND" } },
      ["users.list"] = { { { q = "Tim" }, {} } },
      ["notify"] = { { { user = person, title = "x" }, "VALIDATION_ERROR" },
        { { users = json.array({ riverton.technician.id, person }), title = "x" }, "VALIDATION_ERROR" },
        { { team = northgrid.team, title = "x" }, "VALIDATION_ERROR" },
        { { role = "dispatcher", title = "x", reportId = made.id }, "NOT_FOUND" },
        { { role = "dispatcher", title = "x", workOrderId = order.id }, "NOT_FOUND" },
        { { role = "dispatcher", title = "x", workOrderId = uuid.v7() }, "NOT_FOUND" } },
      ["kv.get"] = { { { key = "theirs" }, json.null } },
      ["kv.set"] = {},
      ["kv.delete"] = { { { key = "theirs" }, false } },
      ["kv.incr"] = {},
      ["secret"] = { { { name = "theirs" }, "SCRIPT_ERROR" } },
      ["http.fetch"] = { { { url = "https://theirs.example/" }, "FORBIDDEN" } },
      ["time.business_hours"] = {},
    }
    for name in pairs(capabilities) do
      assert.truthy(cases[name], "nothing is written down for " .. name)
    end
    for name, asked in pairs(cases) do
      assert.truthy(capabilities[name], "there is no " .. name)
      for _, case in ipairs(asked) do
        if type(case[2]) == "string" then
          refused(case[2], riverton, name, case[1])
        else
          assert.same(case[2], call(riverton, name, case[1]), name)
        end
      end
    end
    for _, name in ipairs({ "teams.list", "users.list", "reports.list", "workorders.list" }) do
      local text = json.encode(call(riverton, name, { limit = name ~= "teams.list" and 100 or nil }))
      for _, id in ipairs({ made.id, order.id, person, northgrid.team }) do
        assert.is_nil(text:find(id, 1, true), name)
      end
    end
    call(riverton, "kv.set", { key = "theirs", value = 2 })
    assert.equal(1, call(northgrid, "kv.get", { key = "theirs" }))
    assert.equal(before, db.platform(system):one("SELECT COUNT(*) AS n FROM audit_logs WHERE tenant_id = ?",
      northgrid.tenant.id).n)
  end)

  it("keep values", function()
    local function kv(name, key, value)
      return call(riverton, "kv." .. name, { key = key, value = name == "set" and value or nil,
        by = name == "incr" and value or nil })
    end
    assert.equal(json.null, kv("get", "new"))
    kv("set", "new", { list = json.array({ 1, 2.5, "x" }), deep = { yes = true } })
    assert.same({ list = { 1, 2.5, "x" }, deep = { yes = true } }, kv("get", "new"))
    assert.equal(1, kv("incr", "count"))
    assert.equal(3.5, kv("incr", "count", 2.5))
    assert.equal(3.5, kv("get", "count"))
    refused("VALIDATION_ERROR", riverton, "kv.incr", { key = "new" })
    kv("set", "big", 2 ^ 53)
    refused("VALIDATION_ERROR", riverton, "kv.incr", { key = "big" })
    assert.is_true(kv("delete", "new"))
    assert.is_false(kv("delete", "new"))
    assert.equal("value", wrong_field("kv.set", { key = "x", value = ("x"):rep(16384) }))
    assert.equal("value", wrong_field("kv.set", { key = "x" }))
    assert.equal("key", wrong_field("kv.set", { key = ("k"):rep(201), value = 1 }))
    kv("set", "Key", "upper")
    kv("set", "a b", "within")
    kv("set", "c", "short")
    assert.same({ "within", "short" }, { kv("get", "a b"), kv("get", "c") })
    for _, blank in ipairs({ "Key ", " Key", " ", "Key\t", "a b " }) do
      for name, arguments in pairs({ ["kv.get"] = {}, ["kv.set"] = { value = 1 }, ["kv.delete"] = {},
        ["kv.incr"] = {} }) do
        arguments.key = blank
        assert.equal("must be text that neither begins nor ends with a blank",
          refused("VALIDATION_ERROR", riverton, name, arguments).details[1].message)
      end
    end
    assert.equal(json.null, kv("get", "key"))
    stub(kv_store, "count", function()
      return 10000
    end)
    refused("CONFLICT", riverton, "kv.set", { key = "one too many", value = 1 })
    refused("CONFLICT", riverton, "kv.incr", { key = "one too many" })
    kv("set", "Key", "still")
    kv_store.count:revert()
  end)

  it("give in a dry run what they would give, and refuse what they would refuse", function()
    local function made_up(name, arguments)
      local value = capabilities[name].made_up(arguments, uuid.v7, riverton.ctx, {})
      return json.decode(json.encode(value))
    end
    local function fails(name, arguments)
      local ok, err = pcall(made_up, name, arguments)
      assert.is_false(ok, name)
      return err.details[1].field
    end
    local id = uuid.v7()
    local order = made_up("workorders.create", { title = "Fix it", team = "sparkies" })
    assert.same({ "assigned", riverton.team, "normal" }, { order.status, order.teamId, order.priority })
    assert.equal("pending", made_up("workorders.create", { title = "Fix it" }).status)
    assert.same({ id = id, status = "assigned", assignedTo = riverton.technician.id, teamId = json.null },
      made_up("workorders.assign", { id = id, to = { userId = riverton.technician.id } }))
    assert.same({ id = id, title = "Mend it" },
      made_up("workorders.update", { id = id, changes = { title = "Mend it" } }))
    assert.equal("on_hold", made_up("workorders.hold", { id = id, reason = "rain" }).status)
    assert.equal("duplicate", made_up("reports.merge", { id = id, into = uuid.v7() }).status)
    assert.equal(1, made_up("notify", { role = "dispatcher", title = "x", workOrderId = id }))
    assert.same({ "to.team", "team", "team", "userId", "category", "changes.category" }, {
      fails("notify", { team = "Knights", title = "x" }),
      fails("workorders.create", { title = "Fix it", team = "Knights" }),
      fails("workorders.assign", { id = id, to = { team = "Knights" } }),
      fails("workorders.assign", { id = id, to = { userId = northgrid.technician.id } }),
      fails("reports.create", { title = "Sparks", category = "none" }),
      fails("reports.update", { id = id, changes = { category = "none" } }) })
  end)

  it("keep values in a dry run for that alone", function()
    local dry = {}
    local function kv(name, key, value)
      local entry, arguments = capabilities["kv." .. name], { key = key, value = value, by = value or 1 }
      if entry.writes then
        return entry.made_up(arguments, uuid.v7, riverton.ctx, dry)
      end
      return json.decode(json.encode(entry.run(riverton.ctx, arguments, { dry = dry })))
    end
    call(riverton, "kv.set", { key = "there", value = 5 })
    assert.same({ 5, 6, 8 }, { kv("get", "there"), kv("incr", "there"), kv("incr", "there", 2) })
    assert.same({ true, false }, { kv("delete", "there"), kv("delete", "there") })
    assert.equal(json.null, kv("get", "there"))
    kv("set", "there", { 1 })
    assert.same({ 1 }, kv("get", "there"))
    assert.is_false(pcall(kv, "incr", "there"))
    assert.equal(5, call(riverton, "kv.get", { key = "there" }))
    local count = stub(kv_store, "count", function()
      return 9999
    end)
    finally(function()
      count:revert()
    end)
    kv("set", "last", 1)
    assert.is_false(pcall(kv, "set", "one too many", 1))
    kv("delete", "there")
    kv("set", "another", ("x"):rep(16000))
    count:revert()
    local kept = 0
    while kept < 1000 and pcall(kv, "set", "large " .. kept, ("x"):rep(16000)) do
      kept = kept + 1
    end
    assert.equal(math.floor(4 * 1024 * 1024 / 16000) - 2, kept)
    kv("delete", "another")
    kv("set", "in its place", ("x"):rep(16000))
    assert.equal(json.null, json.decode(json.encode(capabilities["kv.get"].run(riverton.ctx,
      { key = "last" }, {}))))
  end)

  it("count open hours", function()
    local tenant = {}
    for name, value in pairs(riverton.tenant) do
      tenant[name] = value
    end
    tenant.settings = { businessHours = { monday = { { from = "09:00", to = "17:00" } } },
      holidays = { { date = "2026-06-08", name = "Off" } } }
    local where = { ctx = riverton.ctx:with({ tenant = tenant }) }
    local function hours(from, to)
      return call(where, "time.business_hours", { from = from, to = to })
    end
    assert.equal(1.5, hours("2026-06-01T14:30:00Z", "2026-06-02T12:00:00Z")) -- until 17:00 in London
    assert.equal(0, hours("2026-06-08T00:00:00Z", "2026-06-09T00:00:00Z"))
    assert.equal(0, hours("2026-06-02T00:00:00Z", "2026-06-01T00:00:00Z"))
  end)

  describe("to fetch", function()
    local settings = config.get().http
    local allow_private = settings.allow_private
    local asked, answers

    local function where(hosts, of)
      of = of or riverton
      local tenant = {}
      for name, value in pairs(of.tenant) do
        tenant[name] = value
      end
      tenant.settings = { scripts = { allowedHosts = hosts } }
      return { ctx = of.ctx:with({ tenant = tenant }) }
    end

    -- The servers answer what is in `answers`, one after the other.
    local function pretend(...)
      answers, asked = { ... }, {}
      stub(http_client, "request", function(request)
        local copy = {}
        for name, value in pairs(request) do
          copy[name] = value
        end
        asked[#asked + 1] = copy
        local answer = table.remove(answers, 1)
        return answer.status and answer or nil, answer
      end)
    end

    after_each(function()
      settings.allow_private = allow_private
      if type(http_client.request) == "table" then
        http_client.request:revert()
      end
    end)

    it("reach the hosts on the tenant's list, at the ports it names", function()
      settings.allow_private = false
      local list = where({ "api.example", "odd.example:8443" })
      for url, text in pairs({
        ["https://api.example/a?b=c#d"] = "https://api.example:443/a?b=c",
        ["HTTP://API.example"] = "http://api.example:80/",
        ["https://odd.example:8443/x"] = "https://odd.example:8443/x",
      }) do
        pretend({ status = 200, headers = { ["x-a"] = "b" }, body = "hi" })
        assert.same({ status = 200, headers = { ["x-a"] = "b" }, body = "hi" },
          call(list, "http.fetch", { url = url }))
        assert.equal(text, asked[1].url)
        assert.same({}, asked[1].policy)
        http_client.request:revert()
      end
      pretend()
      for _, url in ipairs({ "https://api.example:8443/", "https://odd.example/", "http://api.example:443/",
        "https://api.example:22/", "https://other.example/", "https://api.example.evil.example/",
        "https://evilapi.example/", "https://sub.api.example/", "http://127.0.0.1/", "http://169.254.169.254/",
        "http://2130706433/", "http://0x7f000001/", "http://017700000001/", "http://127.1/",
        "http://localhost/" }) do
        refused("FORBIDDEN", list, "http.fetch", { url = url })
      end
      refused("FORBIDDEN", riverton, "http.fetch", { url = "https://api.example/" })
      assert.equal(0, #asked)
    end)

    -- Servers that answer when they are told to: begun = their paths in the order of the requests.
    local function slow_servers()
      local begun, signals = {}, {}
      stub(http_client, "request", function(request)
        local name = request.url:match("[^/]+$")
        begun[#begun + 1] = name
        signals[name] = task.signal()
        signals[name]:wait(20000)
        return { status = 200, headers = {}, body = name }
      end)
      return begun, signals
    end

    local function in_background(list, name, ended)
      task.spawn(function()
        local ok, err = pcall(call, list, "http.fetch", { url = "https://api.example/" .. name })
        ended[name] = ok or err.code
      end)
      task.sleep(0)
    end

    it("are so many at once of a tenant and a kind of run; the others wait", function()
      local theirs = where({ "api.example" }, northgrid)
      local ours, in_route = where({ "api.example" }), where({ "api.example" })
      in_route.limits = limits.of(in_route.ctx.tenant, "route")
      local begun, signals = slow_servers()
      local ended = {}
      for _, name in ipairs({ "a", "b", "c", "d" }) do
        in_background(ours, name, ended)
      end
      assert.same({ "a", "b" }, begun) -- two of events
      in_background(in_route, "r", ended)
      in_background(in_route, "s", ended)
      in_background(theirs, "x", ended)
      assert.same({ "a", "b", "r", "x" }, begun) -- one of routes, and those of another tenant
      signals.b:notify()
      task.sleep(5)
      assert.same({ "a", "b", "r", "x", "c" }, begun) -- first come first
      for _, name in ipairs({ "a", "c", "r", "x" }) do
        signals[name]:notify()
      end
      task.sleep(5)
      assert.same({ "d", "s" }, { begun[6], begun[7] })
      signals.d:notify()
      signals.s:notify()
      task.sleep(5)
      assert.same({ a = true, b = true, c = true, d = true, r = true, s = true, x = true }, ended)
    end)

    it("wait as long as their run has time, and are not in the way of others then", function()
      local brief, ours = where({ "api.example" }), where({ "api.example" })
      brief.limits = {}
      for name, value in pairs(limits.of(brief.ctx.tenant, "on")) do
        brief.limits[name] = value
      end
      brief.limits.wall_ms = 50
      local begun, signals = slow_servers()
      local ended = {}
      in_background(ours, "a", ended)
      in_background(ours, "b", ended)
      in_background(brief, "late", ended)
      task.sleep(100)
      assert.equal("FETCH_FAILED", ended.late)
      signals.a:notify()
      task.sleep(5)
      in_background(ours, "c", ended)
      assert.same({ "a", "b", "c" }, begun)
      refused("FORBIDDEN", ours, "http.fetch", { url = "https://other.example/" }) -- at once
      signals.b:notify()
      signals.c:notify()
      task.sleep(5)
      assert.same({ a = true, b = true, c = true, late = "FETCH_FAILED" }, ended)
    end)

    it("end their run when its time is over, and blame no server for it", function()
      local list = where({ "api.example" })
      list.limits = {}
      for name, value in pairs(limits.of(list.ctx.tenant, "on")) do
        list.limits[name] = value
      end
      list.limits.wall_ms = 1500
      pretend({ status = 302, headers = { location = "/b" } }, { code = "TIMEOUT" }, { code = "TIMEOUT" },
        { code = "UNAVAILABLE" })
      local err = refused("LIMIT_WALL", list, "http.fetch", { url = "https://api.example/a" })
      assert.is_true(err.is_late)
      for i = 1, 2 do -- a redirect has no time of its own
        assert.is_true(asked[i].timeout_ms > 1000 and asked[i].timeout_ms <= 1500, asked[i].timeout_ms)
      end
      refused("FETCH_FAILED", list, "http.fetch", { url = "https://api.example/a", options = { timeout = 1 } })
      assert.equal(1000, asked[3].timeout_ms)
      refused("FETCH_FAILED", list, "http.fetch", { url = "https://api.example/a" })
      list.limits.wall_ms = 0
      assert.equal("LIMIT_WALL", refused("LIMIT_WALL", list, "http.fetch", { url = "https://api.example/a" }).code)
      assert.equal(4, #asked)
    end)

    it("refuse what is read in more than one way", function()
      for _, url in ipairs({ "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[fe80::1%25eth0]/",
        "http://api.example@127.0.0.1/", "http://api.example\\@127.0.0.1/",
        "http://api.example:80:90/", "http://api.example:/", "http://api.example:0/",
        "http://api.example:65536/", "http://api.example:8e1/", "http:///api.example", "http:api.example",
        "//api.example/", "file:///etc/passwd", "gopher://api.example/", "ftp://api.example/",
        "http://api.example /", "http://api.exam\nple/", "http://api%2eexample/", "http://..api.example/",
        "http://api.example./", "http://-api.example/", "http://\195\161pi.example/",
        "http://api.example/\r\nX: y", "javascript:1", "" }) do
        assert.is_nil(urls.read(url), url)
      end
    end)

    it("go on to hosts of the list alone, with a third server told nothing", function()
      local list = where({ "api.example", "cdn.example" })
      pretend({ status = 302, headers = { location = "/b?x" } },
        { status = 307, headers = { location = "https://cdn.example/c" } },
        { status = 200, headers = {}, body = "there" })
      assert.equal("there", call(list, "http.fetch", { url = "https://api.example/a/",
        options = { headers = { Authorization = "Bearer x" } } }).body)
      assert.same({ "https://api.example:443/a/", "https://api.example:443/b?x", "https://cdn.example:443/c" },
        { asked[1].url, asked[2].url, asked[3].url })
      assert.equal("Bearer x", asked[2].headers.Authorization)
      assert.is_nil(asked[3].headers.Authorization)
      for _, location in ipairs({ "http://127.0.0.1/", "http://169.254.169.254/latest", "https://evil.example/",
        "//evil.example/", "http://[::1]/", "http://api.example:8080/", "file:///etc/passwd",
        "https://api.example@evil.example/" }) do
        http_client.request:revert()
        pretend({ status = 302, headers = { location = location } })
        refused("FORBIDDEN", list, "http.fetch", { url = "https://api.example/" })
        assert.equal(1, #asked)
      end
      http_client.request:revert()
      local round = { status = 301, headers = { location = "/" } }
      pretend(round, round, round, round, round)
      refused("FORBIDDEN", list, "http.fetch", { url = "https://api.example/" })
      assert.equal(4, #asked)
      http_client.request:revert()
      pretend({ status = 303, headers = { location = "/done" } })
      assert.equal(303, call(list, "http.fetch", { url = "https://api.example/",
        options = { method = "POST", body = "x" } }).status) -- what changes something goes nowhere else
    end)

    it("carry what the author sends, and the key of the call", function()
      local list = where({ "api.example" })
      pretend({ status = 204, headers = {} }, { status = 204, headers = {} })
      call(list, "http.fetch", { url = "https://api.example/", options = { method = "POST",
        json = { a = json.array({ 1 }) }, headers = { ["X-Token"] = "t" }, timeout = 2 } })
      local sent = asked[1]
      assert.same({ "POST", '{"a":[1]}', "application/json", "t", 2000, 65536 },
        { sent.method, sent.body, sent.headers["Content-Type"], sent.headers["X-Token"], sent.timeout_ms,
          sent.max_bytes })
      assert.is_true(uuid.is(sent.headers["Idempotency-Key"]))
      call(list, "http.fetch", { url = "https://api.example/", options = { method = "PUT", body = "x",
        headers = { ["idempotency-key"] = "own" } } })
      assert.same({ ["idempotency-key"] = "own" }, asked[2].headers)
      for field, options in pairs({
        ["options.method"] = { method = "TRACE" },
        ["options.timeout"] = { timeout = 60 },
        ["options.json"] = { method = "POST", body = "x", json = { a = 1 } },
        ["options.body"] = { method = "POST", body = ("x"):rep(65537) },
        ["options.follow"] = { follow = 5 },
      }) do
        assert.equal(field, refused("VALIDATION_ERROR", list, "http.fetch",
          { url = "https://api.example/", options = options }).details[1].field)
      end
      for _, headers in ipairs({ { Host = "evil.example" }, { ["content-length"] = "1" },
        { ["Transfer-Encoding"] = "chunked" }, { ["X-A"] = "b\r\nHost: c" }, { ["X A"] = "b" }, { ["X-A"] = 1 },
        { [""] = "x" } }) do
        assert.equal("options.headers", refused("VALIDATION_ERROR", list, "http.fetch",
          { url = "https://api.example/", options = { headers = headers } }).details[1].field)
      end
      refused("VALIDATION_ERROR", list, "http.fetch", { url = "https://api.example/",
        options = { body = "x" } }) -- GET has none
    end)

    it("say what went wrong, and take no answer that is none", function()
      local list = where({ "api.example" })
      for _, code in ipairs({ "REFUSED_ADDRESS", "TIMEOUT", "TLS", "TOO_LARGE", "UNAVAILABLE" }) do
        pretend({ code = code })
        local err = refused("FETCH_FAILED", list, "http.fetch", { url = "https://api.example/" })
        assert.truthy(err.message:find("http.fetch: api.example:443: ", 1, true))
        http_client.request:revert()
      end
      pretend({ status = 200, headers = {}, body = "\255\254" }, { status = 200, headers = {},
        body = ("\1"):rep(60000) })
      refused("FETCH_FAILED", list, "http.fetch", { url = "https://api.example/" })
      refused("FETCH_FAILED", list, "http.fetch", { url = "https://api.example/" })
    end)

    -- No stub: the host itself decides by the address of the socket.
    it("never reach private networks by a name that resolves into them", function()
      settings.allow_private = false
      for _, host in ipairs({ "localhost", "127.0.0.1", "localhost:9", "127.0.0.1:9", "169.254.169.254",
        "10.0.0.1:80", "192.168.0.1", "0.0.0.0", "100.64.0.1" }) do
        local err = refused("FETCH_FAILED", where({ host }), "http.fetch", { url = "http://" .. host .. "/" })
        assert.truthy(err.message:find("private or special network", 1, true), host .. ": " .. err.message)
      end
      settings.allow_private = true
      for host, problem in pairs({
        ["127.0.0.1"] = "private or special", -- host and port must be named
        ["127.0.0.1:9"] = "cannot be reached",
        ["localhost:9"] = "cannot be reached",
        ["169.254.169.254:80"] = "private or special", -- never
      }) do
        local err = refused("FETCH_FAILED", where({ host }), "http.fetch",
          { url = "http://" .. host .. "/", options = { timeout = 1 } })
        assert.truthy(err.message:find(problem, 1, true), host .. ": " .. err.message)
      end
    end)
  end)
end)
