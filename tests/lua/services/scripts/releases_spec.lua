-- What runs for a tenant, whom a canary is for, and what becomes of it.
local config = require("core.config")
local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local plugin = require("core.plugin")
local registry = require("core.registry")
local system_routes = require("core.system_routes")
local task = require("core.task")
local uuid = require("core.uuid")
local active = require("services.scripts.active")
local breaker = require("services.scripts.breaker")
local canary = require("services.scripts.canary")
local drafts = require("services.scripts.drafts")
local listeners = require("services.scripts.listeners")
local releases = require("services.scripts.releases")
local runs_store = require("services.scripts.runs_store")
local secrets = require("services.scripts.secrets")
local store = require("services.scripts.store")
local switches = require("services.scripts.switches")

local system = context.system({ name = "test" })
local RULE = "rules/a.lua"
local HOOKS = { hooks = {
  { id = 1, kind = "on", name = "report.created", file = RULE, line = 1 },
  { id = 2, kind = "on", name = "report.created", file = RULE, line = 5 },
  { id = 3, kind = "before", name = "report.create", file = "rules/b.lua", line = 1 },
} }

local function new_tenant()
  local id = uuid.v7()
  db.platform(system):exec("INSERT INTO tenants (id, slug, organization_name) VALUES (?, ?, 'T')",
    id, "t" .. id:gsub("%-", ""))
  return { id = id }
end

describe("what runs", function()
  local tenant, ctx

  setup(function()
    plugin.load(system_routes)
    active.start()
  end)

  teardown(active.stop)

  before_each(function()
    tenant = new_tenant()
    ctx = context.system({ name = "test", tenant = tenant })
  end)

  local function publish(content, share)
    drafts.put(ctx, RULE, content)
    local release = releases.publish(ctx, { message = "m", canary = share })
    local row = store.find_release_by_number(ctx, release.release)
    db.scope(ctx):exec("UPDATE script_releases SET hooks = ? WHERE tenant_id = :tenant AND id = ?",
      json.encode(HOOKS), row.id)
    return release.release
  end

  local function running()
    return active.find(ctx, tenant.id)
  end

  -- How many statements fn sends.
  local function count_reads(fn)
    local original, count = store.find_standing, 0
    store.find_standing = function(...)
      count = count + 1
      return original(...)
    end
    fn()
    store.find_standing = original
    return count
  end

  it("is nothing at first, and that is kept", function()
    assert.is_nil(running())
    assert.equal(0, count_reads(running))
  end)

  it("is read once, and again when it changed", function()
    publish("local a = 1\n")
    assert.equal(1, count_reads(function()
      assert.equal(1, running().number)
      assert.equal("1", running().name)
    end))
    publish("local a = 2\n")
    assert.equal(2, running().number)
    releases.rollback(ctx, { release = 1 })
    assert.equal(1, running().number)
    assert.same({ { path = RULE, content = "local a = 1\n" } }, active.rules(ctx, running()))
  end)

  it("is asked for anew where its version is known to be another", function()
    publish("local a = 1\n")
    local version = running().version
    active.stop() -- another worker publishes, of which this one has not heard yet
    publish("local a = 2\n")
    active.start()
    assert.equal(1, running().number)
    assert.equal(0, count_reads(function()
      assert.equal(1, active.find(ctx, tenant.id, version).number)
    end))
    version = store.find_standing(ctx).version
    assert.equal(2, active.find(ctx, tenant.id, version).number)
    assert.equal(0, count_reads(function()
      assert.equal(2, active.find(ctx, tenant.id, version).number)
      assert.equal(2, running().number)
    end))
  end)

  it("is for an event what was published before it, heard of or not", function()
    assert.is_nil(running())
    active.stop()
    publish("local a = 1\n")
    active.start()
    assert.is_nil(running())
    db.transaction(ctx, function(tx)
      listeners.numbered(tx, { { tenant_id = tenant.id, event = "report.created", event_id = uuid.v7(),
        resource_type = "report", resource_id = uuid.v7(), payload = "{}", actor = "{}" } })
    end)
    assert.equal(2, db.scope(ctx):one("SELECT COUNT(*) AS jobs FROM jobs WHERE tenant_id = :tenant "
      .. "AND name = 'scripts.handle'").jobs)
  end)

  it("is not kept when it changed while it was read", function()
    publish("local a = 1\n")
    local original = store.list_disabled
    store.list_disabled = function(...)
      store.list_disabled = original
      publish("local a = 2\n")
      return original(...)
    end
    assert.equal(1, running().number)
    assert.equal(2, running().number)
  end)

  it("leaves out what is switched off, and keeps the ids and keys of the rest", function()
    publish("local a = 1\n")
    local function ids()
      local list = {}
      for i, hook in ipairs(running().hooks) do
        list[i] = hook.id
      end
      return list
    end
    assert.same({ 1, 2, 3 }, ids())
    local key = running().hooks[2].key
    assert.equal("rules/a.lua:on:report.created:2", key)
    assert.is_true(switches.disable(ctx, RULE, { handler = key, reason = "failed" }))
    assert.same({ 1, 3 }, ids())
    assert.equal("rules/a.lua:on:report.created:1", running().hooks[1].key)
    switches.disable(ctx, RULE, {})
    assert.same({ 3 }, ids())
    switches.enable(ctx, RULE)
    assert.same({ 1, 2, 3 }, ids())
  end)

  describe("when the breaker has switched a handler off", function()
    local KEY = RULE .. ":on:report.created:2"
    local OTHER = "rules/b.lua:on:report.created:1"

    local function off()
      local list = {}
      for i, row in ipairs(store.list_disabled(ctx)) do
        list[i] = row.handler == "" and row.path or row.handler
      end
      return list
    end

    local function count_failures()
      return db.scope(ctx):one([[SELECT COUNT(*) AS n FROM script_failures
        WHERE tenant_id = :tenant]]).n
    end

    before_each(function()
      drafts.put(ctx, "rules/b.lua", "local b = 1\n")
      publish("local a = 1\n")
      local settings = config.get().scripts
      local usual = settings.failures_max
      settings.failures_max = 1
      for key, file in pairs({ [KEY] = RULE, [OTHER] = "rules/b.lua" }) do
        breaker.failed(ctx, { key = key, file = file, name = "report.created", line = 1 },
          { code = "SCRIPT_ERROR", message = "always" })
      end
      settings.failures_max = usual
      runs_store.count_failure(ctx, RULE .. ":on:report.created:1")
      runs_store.count_failure(ctx, OTHER)
      assert.same({ KEY, OTHER }, off())
    end)

    it("runs it again with another text of its file, published or rolled back to", function()
      publish("local a = 2\n")
      assert.same({ OTHER }, off())
      assert.same({ 1, 2, 3 }, { running().hooks[1].id, running().hooks[2].id, running().hooks[3].id })
      assert.equal(1, count_failures())
      local audited = db.scope(ctx):one([[SELECT resource_id, new_values FROM audit_logs
        WHERE tenant_id = :tenant AND action = 'script.enable']])
      assert.same({ RULE, { KEY } },
        { audited.resource_id, { unpack(json.decode(audited.new_values).handlers) } })
      drafts.put(ctx, "rules/b.lua", "local b = 2\n")
      publish("local a = 2\n")
      assert.same({ {}, 0 }, { off(), count_failures() })
    end)

    it("leaves it off while its text is the same", function()
      publish("local a = 1\n")
      publish("local a = 1\n", 50)
      releases.rollback(ctx, { release = 1 })
      assert.same({ KEY, OTHER }, off())
      assert.equal(2, count_failures())
      releases.rollback(ctx, { release = 2 })
      assert.same({ KEY, OTHER }, off())
    end)

    it("runs it again where an earlier release or a canary has another text", function()
      publish("local a = 2\n")
      store.disable(ctx, RULE, KEY, "again")
      releases.rollback(ctx, { release = 1 })
      assert.same({ OTHER }, off())
      store.disable(ctx, RULE, KEY, "again")
      publish("local a = 3\n", 50)
      assert.same({ OTHER }, off())
    end)

    it("leaves off what a person has switched off", function()
      switches.disable(ctx, RULE, {})
      local person = ctx:with({ actor = { kind = "user", user_id = uuid.v7() } })
      store.disable(person, RULE, RULE .. ":on:report.created:1", "mine")
      publish("local a = 2\n")
      assert.same({ RULE, RULE .. ":on:report.created:1", OTHER }, off())
    end)
  end)

  it("does not load specs, notes and data", function()
    drafts.put(ctx, "spec/a_spec.lua", "")
    drafts.put(ctx, "notes.md", "")
    publish("local a = 1\n")
    assert.equal(1, #active.rules(ctx, running()))
  end)

  describe("as a canary", function()
    it("is for its share of entities, always the same ones", function()
      publish("local a = 1\n")
      publish("local a = 2\n", 30)
      local now, hits, which = running(), 0, {}
      for i = 1, 2000 do
        local id = uuid.v7()
        local release = active.for_entity(now, id)
        which[i] = { id, release.number }
        hits = hits + (release.number == 2 and 1 or 0)
      end
      assert.is_true(hits > 480 and hits < 720, hits .. " of 2000")
      for _, one in ipairs(which) do
        assert.equal(one[2], active.for_entity(running(), one[1]).number)
      end
      assert.equal(1, active.for_entity(now, nil).number)
    end)

    it("runs beside nothing", function()
      publish("local a = 1\n", 50)
      assert.is_nil(active.for_entity(running(), nil))
      assert.equal(1, running().canary.number)
    end)

    local function await(condition)
      for _ = 1, 200 do
        if condition() then
          return true
        end
        task.sleep(20)
      end
      return false
    end

    it("is taken back when too many of its runs fail", function()
      publish("local a = 1\n")
      publish("local a = 2\n", 50)
      local release = running().canary
      for _ = 1, 5 do
        canary.record(release, true)
      end
      for _ = 1, 3 do
        canary.record(release, false)
      end
      assert.is_true(await(function()
        return not running().canary
      end))
      local row = store.find_release(ctx, release.id)
      assert.equal("3 of 8 runs failed", row.withdrawn)
      assert.equal(1, running().number)
      assert.equal("withdrawn", releases.list(ctx, { limit = 5 })[1].state)
      canary.record(release, false) -- one that was under way
      local ok, err = pcall(releases.rollback, ctx, { release = 2 })
      assert.is_false(ok)
      assert.same({ "CONFLICT", 1 }, { err.code, running().number })
      assert.truthy(err.message:find("3 of 8 runs failed", 1, true))
      assert.equal("active", releases.rollback(ctx, { release = 2, force = true }).state)
      assert.equal(2, running().number)
    end)

    it("stays while few fail, and the active one is never taken back", function()
      publish("local a = 1\n")
      publish("local a = 2\n", 50)
      local release = running().canary
      for _ = 1, 40 do
        canary.record(release, true)
      end
      assert.is_true(await(function()
        return store.find_standing(ctx).canary_runs == 40
      end))
      for _ = 1, 4 do
        canary.record(release, false)
      end
      for _ = 1, 10 do
        canary.record(running(), false)
      end
      assert.is_true(await(function()
        return store.find_standing(ctx).canary_failures == 4
      end))
      assert.equal(release.id, running().canary.id)
    end)
  end)

  describe("in development", function()
    it("is one release without a number that a save replaces", function()
      publish("local a = 1\n")
      for i = 1, 3 do
        assert.is_true(releases.replace_dev(ctx, { { path = RULE, content = "local b = " .. i } }).ok)
      end
      assert.same({ "dev" }, { running().name, running().number })
      assert.equal("local b = 3", active.rules(ctx, running())[1].content)
      local count = db.scope(ctx):one("SELECT COUNT(*) AS n FROM script_releases WHERE tenant_id = :tenant").n
      assert.equal(3, count) -- one is numbered, one ran before
      assert.is_false(releases.replace_dev(ctx, { { path = RULE, content = "x = 1" } }).ok)
      assert.equal("local b = 3", active.rules(ctx, running())[1].content)
      assert.equal(2, publish("local a = 2\n"))
      count = db.scope(ctx):one("SELECT COUNT(*) AS n FROM script_releases WHERE tenant_id = :tenant").n
      assert.equal(4, count)
    end)
  end)

  it("is kept while something open goes by it", function()
    for number = 1, 103 do
      db.scope(ctx):exec([[INSERT INTO script_releases (id, tenant_id, number, hooks)
        VALUES (?, :tenant, ?, '{}')]], uuid.v7(), number)
    end
    store.lock_standing(ctx)
    db.scope(ctx):exec("UPDATE script_active SET next_number = 104 WHERE tenant_id = :tenant")
    registry.script_entities.test = { pins = { list = function()
      return { 2 }
    end } }
    local ok, err = pcall(publish, "local a = 1\n")
    registry.script_entities.test = nil
    assert.is_true(ok, tostring(err))
    local rows = db.scope(ctx):query([[SELECT number FROM script_releases
      WHERE tenant_id = :tenant ORDER BY number LIMIT 2]])
    assert.same({ 2, 5 }, { rows[1].number, rows[2].number })
  end)

  it("is not published from a draft that changes meanwhile", function()
    drafts.put(ctx, RULE, "local a = 1\n")
    local original = drafts.read
    drafts.read = function(...)
      local draft = original(...)
      drafts.put(ctx, RULE, "local a = 2\n")
      return draft
    end
    local ok, err = pcall(releases.publish, ctx, { message = "m" })
    drafts.read = original
    assert.is_false(ok)
    assert.is_true(errors.is(err, "CONFLICT"), tostring(err))
    assert.is_nil(running())
  end)
end)

describe("a draft", function()
  it("is replaced as a whole, and told what changed", function()
    local ctx = context.system({ name = "test", tenant = new_tenant() })
    local first = drafts.replace(ctx, { { path = "a.lua", content = "1" }, { path = "b.lua", content = "2" } })
    assert.same({ added = { "a.lua", "b.lua" }, changed = {}, removed = {} }, first)
    local version = drafts.read(ctx).version
    assert.same({ added = { "c.md" }, changed = { "a.lua" }, removed = { "b.lua" } },
      drafts.replace(ctx, { { path = "a.lua", content = "3" }, { path = "c.md", content = "" } }))
    assert.equal(version + 1, drafts.read(ctx).version)
    drafts.replace(ctx, { { path = "a.lua", content = "3" }, { path = "c.md", content = "" } })
    assert.equal(version + 1, drafts.read(ctx).version)
    for _, wrong in ipairs({ { path = "A.lua", content = "" }, { path = "a.lua", content = ("x"):rep(65537) } }) do
      assert.is_false(pcall(drafts.replace, ctx, { wrong }))
    end
  end)
end)

describe("a secret", function()
  it("opens for its own tenant and name only", function()
    local mine = context.system({ name = "test", tenant = new_tenant() })
    local theirs = context.system({ name = "test", tenant = new_tenant() })
    secrets.put(mine, "key", "the word")
    assert.equal("the word", secrets.get(mine, "key"))
    assert.is_nil(secrets.get(theirs, "key"))
    assert.is_nil(secrets.get(mine, "other"))
    db.platform(system):exec([[INSERT INTO script_secrets (tenant_id, name, sealed)
      SELECT ?, name, sealed FROM script_secrets WHERE tenant_id = ?]], theirs.tenant.id, mine.tenant.id)
    assert.is_false(pcall(secrets.get, theirs, "key"))
    db.platform(system):exec([[INSERT INTO script_secrets (tenant_id, name, sealed)
      SELECT tenant_id, 'copy', sealed FROM script_secrets WHERE tenant_id = ?]], mine.tenant.id)
    assert.is_false(pcall(secrets.get, mine, "copy"))
  end)
end)
