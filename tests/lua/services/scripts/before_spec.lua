-- Rules in front of actions: of which release, in what time; and the job of a rule after an event.
local allowance = require("core.allowance")
local config = require("core.config")
local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local plugin = require("core.plugin")
local s = require("core.schema")
local sys = require("core.sys")
local system_routes = require("core.system_routes")
local uuid = require("core.uuid")
local active = require("services.scripts.active")
local before = require("services.scripts.before")
local drafts = require("services.scripts.drafts")
local limits = require("services.scripts.limits")
local listeners = require("services.scripts.listeners")
local listeners_store = require("services.scripts.listeners_store")
local record = require("services.scripts.record")
local releases = require("services.scripts.releases")
local store = require("services.scripts.runs_store")
local view = require("services.scripts.runs_view")

local system = context.system({ name = "test" })
local ACTION = "report.create"

local function new_tenant()
  local id = uuid.v7()
  db.platform(system):exec("INSERT INTO tenants (id, slug, organization_name) VALUES (?, ?, 'T')",
    id, "t" .. id:gsub("%-", ""))
  return { id = id, timezone = "UTC", settings = {}, tier = "free" }
end

describe("rules in front of an action", function()
  local ctx, role

  setup(function()
    plugin.load(system_routes)
    role, sys.role = sys.role, function() return "http", 1 end
    active.start()
  end)

  teardown(function()
    active.stop()
    sys.role = role
  end)

  before_each(function()
    ctx = context.system({ name = "test", tenant = new_tenant() })
  end)

  local function publish(text)
    drafts.put(ctx, "rules/a.lua", text)
    return releases.publish(ctx, { message = "m" })
  end

  -- What the rules make of data; raises what they raise.
  local function pass(data, options)
    return before(ctx:with({}), ACTION, data, options or { id = uuid.v7() })
  end

  local function recorded()
    record.flush()
    return (view.list(ctx, { limit = 20 }))
  end

  it("are asked one after the other, each with what the last one made of it", function()
    publish([[
before("report.create", function(r) r.steps = (r.steps or "") .. "a" end)
before("report.create", function(r) end)
before("report.create", function(r, about) r.steps = r.steps .. "b" .. about.action end)
before("report.update", function(r) r.steps = "never" end)
]])
    local data = { title = "x" }
    assert.same({ title = "x", steps = "abreport.create" }, pass(data))
    assert.same({ title = "x" }, data)
    assert.equal(3, #recorded())
  end)

  it("may empty a list", function()
    publish('before("report.create", function(r) r.tags = {} end)\n')
    local made = pass({ tags = { "a" } }, { id = uuid.v7(),
      schema = s.object({ tags = s.array({ of = s.string() }) }) })
    assert.equal("[]", json.encode(made.tags))
  end)

  it("may not make what the action does not take, and are told where they did", function()
    publish([[

before("report.create", function(r)
  if r.title == "typo" then r.severty, r.place.at = "high", { 1 } end
  if r.title == "wrong" then r.title = 5 end
  r.seen = "yes"
end)
]])
    local options = { id = uuid.v7(), schema = s.object({ title = s.string(),
      seen = s.string({ optional = true }), place = s.object({}, { optional = true }) }) }
    assert.same({ title = "typo", place = {} }, pass({ title = "typo", place = {} }, options))
    pass({ title = "wrong" }, options)
    record.flush()
    local told = {}
    for _, run in ipairs(recorded()) do
      assert.same({ "error", "VALIDATION_ERROR", "rules/a.lua", 2 },
        { run.status, run.error.code, run.error.file, run.error.line })
      told[run.error.message] = true
    end
    assert.same({ ["what the rule changed is not valid: title must be text"] = true,
      ["what the rule changed is not valid: place.at is not known; severty is not known"] = true }, told)
    -- What the data had already is none of its doing.
    assert.same({ title = "x", seen = "yes", place = {} },
      pass({ title = "x", source = false, place = { at = 1 } }, options))
  end)

  it("know what the action is about, which is read when there is a rule", function()
    local asked = 0
    local options = { id = uuid.v7(), current = function()
      asked = asked + 1
      return { severity = "low" }
    end }
    pass({}, options)
    assert.equal(0, asked)
    publish('before("report.create", function(r, about) r.was = about.current.severity end)\n')
    assert.same({ was = "low" }, pass({}, options))
    assert.equal(1, asked)
  end)

  it("have a time for all of them in a request", function()
    publish([[
before("report.create", function(r) r.n = (r.n or 0) + 1 end)
before("report.create", function(r) r.n = r.n + 1 end)
]])
    local settings = config.get().scripts
    local usual = settings.request_wall_ms
    finally(function()
      settings.request_wall_ms = usual
    end)
    local request = ctx:with({})
    request.script_time = { us = usual * 1000 }
    assert.same({}, before(request, ACTION, {}, {}))
    drafts.put(ctx, "rules/a.lua",
      'on_error = "deny"\nbefore("report.create", function(r) r.n = 1 end)\n')
    releases.publish(ctx, { message = "m" })
    local ok, err = pcall(before, request, ACTION, {}, {})
    assert.is_false(ok)
    assert.is_true(errors.is(err, "RULE_FAILED"))
    assert.same({ n = 1 }, pass({}))
  end)

  it("of a canary are for its share of the things only, always the same ones", function()
    publish("local nothing = 1\nreturn nothing\n")
    drafts.put(ctx, "rules/a.lua", 'before("report.create", function(r) r.canary = true end)\n')
    releases.publish(ctx, { message = "m", canary = 50 })
    local changed = 0
    for _ = 1, 40 do
      local id = uuid.v7()
      local first, second = pass({}, { id = id }), pass({}, { id = id })
      assert.same(first, second)
      changed = changed + (first.canary and 1 or 0)
    end
    assert.is_true(changed > 0 and changed < 40)
  end)

  it("are not asked while the processes of scripts cannot be reached, unless they must", function()
    publish('before("report.create", function(r) r.n = 1 end)\n')
    local process = require("services.scripts.process")
    local start = stub(process, "start", nil, { code = "UNAVAILABLE" })
    finally(function()
      start:revert()
    end)
    assert.same({}, pass({}))
    assert.equal("UNAVAILABLE", recorded()[1].error.code)
  end)

  it("are not asked while their text cannot be read", function()
    publish('before("report.create", function(r) r.n = 1 end)\n')
    local rules = stub(active, "rules", function()
      errors.raise("SERVICE_UNAVAILABLE", "away")
    end)
    finally(function()
      rules:revert()
    end)
    assert.same({}, pass({}))
    rules:revert()
    assert.equal("SERVICE_UNAVAILABLE", recorded()[1].error.code)
    assert.same({ n = 1 }, pass({}))
  end)

  describe("after an event", function()
    local function payload(release)
      return { release = active.find(ctx, ctx.tenant.id).id, file = "rules/a.lua",
        hook = "rules/a.lua:on:report.created:1", number = release, event = { id = uuid.v7(),
          event = "report.created", resourceType = "report", data = { title = "x" }, actor = {} } }
    end

    it("wait when their tenant has used its CPU, and no attempt is made", function()
      publish('on("report.created", function(event) log(event.report.title) end)\n')
      local job, settings = payload(), config.get().scripts
      local usual = settings.background_cpu_ms_per_minute
      settings.background_cpu_ms_per_minute = 1 -- so that none comes back meanwhile
      allowance.use("scripts " .. ctx.tenant.id, 1, 60000, 1)
      local ok, err = pcall(listeners.handle, ctx, job, { attempt = 1 })
      settings.background_cpu_ms_per_minute = usual
      assert.is_false(ok)
      assert.is_true(errors.is(err) and err.postpone_ms >= 1000)
      assert.same({}, { unpack(recorded()) })
    end)

    it("go on with the release that ran when the event was numbered", function()
      publish('on("report.created", function() log("old") end)\n')
      local old = payload()
      publish('on("report.created", function() log("new") end)\n')
      assert.equal("ok", listeners.handle(ctx, old, { attempt = 1 }).status)
      assert.equal("ok", listeners.handle(ctx, payload(), { attempt = 1 }).status)
      local logs = {}
      for _, run in ipairs(recorded()) do
        logs[run.log[1]] = run.release
      end
      assert.same({ old = 1, new = 2 }, logs)
    end)

    it("fail alone when they fail too often and their file is gone by now", function()
      publish('on("report.created", function() error("old") end)\n')
      local old, settings = payload(), config.get().scripts
      drafts.replace(ctx, { { path = "rules/b.lua", content = "" } })
      releases.publish(ctx, { message = "m" })
      local usual = settings.failures_max
      settings.failures_max = 1
      local ok, err = pcall(listeners.handle, ctx, old, { attempt = 1 })
      settings.failures_max = usual
      assert.is_false(ok)
      assert.is_true(errors.is(err, "RULE_FAILED"))
      assert.equal("retrying", recorded()[1].status)
    end)

    it("switch nothing off that was published since", function()
      publish('on("report.created", function() error("old") end)\n')
      local old, settings = payload(), config.get().scripts
      publish('on("report.created", function() log("new") end)\n')
      local usual = settings.failures_max
      settings.failures_max = 1
      local ok = pcall(listeners.handle, ctx, old, { attempt = 1 })
      settings.failures_max = usual
      assert.is_false(ok)
      assert.equal("ok", listeners.handle(ctx, payload(), { attempt = 1 }).status)
    end)

    it("end where they are switched off or gone", function()
      publish('on("report.created", function() end)\n')
      local gone = payload()
      gone.hook = "rules/a.lua:on:report.created:2"
      local ok, err = pcall(listeners.handle, ctx, gone, { attempt = 1 })
      assert.is_false(ok)
      assert.is_true(err.permanent)
    end)
  end)
end)

describe("limits", function()
  it("are those of the tier where it has its own, and may only be tried", function()
    local settings = config.get().scripts
    local try = settings.try
    settings.spec, settings.try = { "event_cpu_ms=200", "log_max=100" }, { "event_cpu_ms=50" }
    local found = limits.of({ tier = "spec" }, "on")
    settings.spec, settings.try = nil, try
    assert.same({ 200, 150, 100, 50 },
      { found.cpu_ms, found.calls, found.log_max, found.try.cpu_ms })
    local usual = limits.of({ tier = "enterprise" }, "before")
    assert.same({ 10, 250, 20, 0, 0 }, { usual.cpu_ms, usual.wall_ms, usual.calls, usual.writes,
      usual.fetches })
    local figures = require("services.scripts.run_figures")
    local run = { cpu_us = 60000, wall_us = 1, calls = 130, writes = 0, limits = found, dry = true }
    figures.note(run)
    assert.same({ "cpu 60 ms is over 50 ms, the limit that is tried", "calls 130 of 150" },
      { unpack(run.warnings) })
  end)
end)

describe("what runs leave behind", function()
  it("goes after its time", function()
    local ctx = context.system({ name = "test", tenant = new_tenant() })
    local function add(days)
      store.insert_runs(ctx, { { id = uuid.v7(), file = "a.lua", hook = "h", status = "ok",
        attempt = 1, started_at = "2020-01-01 00:00:00", cpu_us = 1, wall_us = 1, memory_bytes = 1,
        calls = 0 } }, 1, 1)
      db.scope(ctx):exec("UPDATE script_runs SET started_at = NOW(3) - INTERVAL ? DAY "
        .. "WHERE tenant_id = :tenant AND started_at < '2021-01-01'", days)
    end
    add(31)
    add(29)
    listeners_store.purge(system, { runs = 30, effects = 90, trials = 1 }, 1000)
    assert.equal(1, #(view.list(ctx, { limit = 10 })))
  end)
end)
