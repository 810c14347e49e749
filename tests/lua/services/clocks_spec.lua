-- Clocks on a real database: what they count, and that each step is taken once.
local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local registry = require("core.registry")
local task = require("core.task")
local time = require("core.time")
local uuid = require("core.uuid")
local clocks = require("services.clocks")
local driver = require("services.clocks.driver")
local due_store = require("services.clocks.due_store")
local identity = require("services.identity")
local jobs = require("services.clocks.jobs")

local HOUR_MS = 3600000
local KIND, RESOURCE = "t.sla", "t.thing"
local POLICY = { { percent = 50 }, { percent = 100 }, { percent = 150 } }

local WEEK = { "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday" }
local system = context.system({ name = "test" })

describe("a clock", function()
  local tenant, ctx, kind, taken, gone, known_find
  local moved_to, before_settings

  -- A context of the tenant with these settings.
  local function with_settings(settings, timezone)
    local own = {}
    for name, value in pairs(tenant) do
      own[name] = value
    end
    own.settings, own.timezone = settings, timezone or "UTC"
    return context.system({ tenant = own, name = "test" })
  end

  -- What the tenant's row says, until the end of the test.
  local function stored(settings)
    local row = db.platform(system):one("SELECT timezone, settings FROM tenants WHERE id = ?", tenant.id)
    before_settings = before_settings or row
    db.platform(system):exec("UPDATE tenants SET timezone = 'UTC', settings = ? WHERE id = ?",
      json.encode(settings), tenant.id)
  end

  local function begin(fields, own)
    local clock = { kind = KIND, resource_type = RESOURCE, resource_id = uuid.v7() }
    for name, value in pairs(fields) do
      clock[name] = value
    end
    db.transaction(own or ctx, function(tx)
      clocks.begin(tx, clock)
    end)
    return clock.resource_id
  end

  local function only(id, own)
    local list = clocks.list(own or ctx, RESOURCE, id)
    assert.equal(1, #list)
    return list[1]
  end

  local function marks_of(id)
    local marks = {}
    for _, step in ipairs(taken) do
      if step.id == id then
        marks[#marks + 1] = step.mark
      end
    end
    return marks
  end

  local function follow(id, state, own)
    return db.transaction(own or ctx, function(tx)
      return clocks.follow(tx, RESOURCE, id, state)
    end)
  end

  local function shift(id, columns)
    db.platform(system):exec("UPDATE sla_clocks SET " .. columns .. " WHERE resource_id = ?", id)
  end

  setup(function()
    require("services.identity.seed").run(system)
    tenant = identity.find_tenant_by_slug(system, "riverton")
    known_find = registry.hooks.find_tenant
    registry.hooks.find_tenant = function()
      return ctx.tenant
    end
  end)

  teardown(function()
    registry.hooks.find_tenant = known_find
    registry.clocks[KIND] = nil
  end)

  before_each(function()
    db.platform(system):exec("DELETE FROM sla_clocks")
    ctx = with_settings({})
    taken, gone, moved_to = {}, {}, {}
    kind = {
      steps = function(_, clock)
        return clocks.percent_steps(POLICY, clock)
      end,
      lock = function(_, id)
        return not gone[id] and { id = id } or nil
      end,
      -- written in the step's transaction: what is rolled back was not done
      take = function(tx, resource, _, step)
        db.platform(tx):exec("INSERT INTO leases (name, holder, fencing_token, expires_at)"
          .. " VALUES (?, 't', 1, NOW(3))", "t:" .. resource.id .. ":" .. step.mark)
        db.after_commit(tx, function()
          taken[#taken + 1] = { id = resource.id, mark = step.mark }
        end)
      end,
      moved = function(_, resource, _, due_ms)
        moved_to[resource.id] = due_ms
      end,
    }
    registry.clocks[KIND] = kind
  end)

  after_each(function()
    if before_settings then
      db.platform(system):exec("UPDATE tenants SET timezone = ?, settings = ? WHERE id = ?",
        before_settings.timezone, before_settings.settings, tenant.id)
      before_settings = nil
    end
    db.platform(system):exec("DELETE FROM leases WHERE name LIKE 't:%'")
  end)

  it("takes no step before its time", function()
    local id = begin({ target_ms = 2 * HOUR_MS })
    driver.run()
    assert.same({}, marks_of(id))
    assert.near(time.now_ms() + HOUR_MS, only(id).next_due_ms, 60000)
  end)

  it("takes each step once, in order, also those that fell due while nobody ran", function()
    local id = begin({ target_ms = 2 * HOUR_MS, since_ms = time.now_ms() - 2.5 * HOUR_MS })
    driver.run()
    assert.same({ 50, 100 }, marks_of(id))
    assert.near(time.now_ms() + HOUR_MS / 2, only(id).next_due_ms, 60000)
    driver.run()
    shift(id, "since = since - INTERVAL 1 HOUR, wake_at = NOW(3)")
    driver.run()
    assert.same({ 50, 100, 150 }, marks_of(id))
    assert.is_nil(only(id).next_due_ms)
    assert.equal(150, only(id).mark)
  end)

  it("takes each step once, however many take them", function()
    local ids, left = {}, 6
    for i = 1, 40 do
      ids[i] = begin({ target_ms = HOUR_MS, since_ms = time.now_ms() - 5 * HOUR_MS })
    end
    local done = task.signal()
    for _ = 1, left do
      task.spawn(function()
        pcall(driver.run)
        left = left - 1
        done:notify()
      end)
    end
    while left > 0 do
      done:wait(1000)
    end
    for _, id in ipairs(ids) do
      local marks = marks_of(id)
      table.sort(marks) -- who committed first may hear of it last
      assert.same({ 50, 100, 150 }, marks)
    end
  end)

  it("is taken over from a worker that died with it, and no step is doubled by one that slept", function()
    local id = begin({ target_ms = 2 * HOUR_MS, since_ms = time.now_ms() - 1.5 * HOUR_MS })
    local rows = db.transaction(system, function(tx)
      return due_store.take(tx, {}, false, 8, 60)
    end)
    assert.equal(1, #rows)
    driver.run()
    assert.same({}, marks_of(id))
    shift(id, "wake_at = NOW(3)") -- the lease has run out
    driver.run()
    assert.same({ 50 }, marks_of(id))
    due_store.put_off(system, rows[1], 0, "late") -- the sleeper wakes
    driver.run()
    assert.same({ 50 }, marks_of(id))
  end)

  it("tries a step again that failed, of which nothing has happened", function()
    local id = begin({ target_ms = 2 * HOUR_MS, since_ms = time.now_ms() - 1.5 * HOUR_MS })
    local take, fail = kind.take, true
    kind.take = function(...)
      take(...)
      if fail then
        error("no")
      end
    end
    driver.run()
    assert.same({ {}, 0 }, { marks_of(id), only(id).mark })
    fail = false
    driver.run()
    assert.same({}, marks_of(id)) -- not at once
    shift(id, "wake_at = NOW(3)")
    driver.run()
    assert.same({ 50 }, marks_of(id))
  end)

  it("goes on after a step that fails for good", function()
    local id = begin({ target_ms = 2 * HOUR_MS, since_ms = time.now_ms() - 2.5 * HOUR_MS })
    local take = kind.take
    kind.take = function(tx, resource, clock, step)
      if step.mark == 50 then
        error("never")
      end
      take(tx, resource, clock, step)
    end
    for _ = 1, 8 do
      assert.same({}, marks_of(id))
      shift(id, "wake_at = NOW(3)")
      driver.run()
    end
    assert.same({ 100 }, marks_of(id))
  end)

  it("counts while it runs and keeps what it counted", function()
    local id = begin({ target_ms = 4 * HOUR_MS, since_ms = time.now_ms() - HOUR_MS })
    assert.is_nil(follow(id, "paused"))
    assert.is_nil(only(id).next_due_ms)
    shift(id, "since = since - INTERVAL 10 HOUR")
    assert.near(HOUR_MS, only(id).elapsed_ms, 60000)
    local due_ms = follow(id, "running")
    assert.near(time.now_ms() + 3 * HOUR_MS, due_ms, 60000)
    assert.near(time.now_ms() + HOUR_MS, only(id).next_due_ms, 60000)
    shift(id, "since = since - INTERVAL 5 HOUR, wake_at = NOW(3)")
    driver.run()
    assert.same({ 50, 100, 150 }, marks_of(id))
    assert.is_nil(follow(id, "stopped"))
    assert.is_nil(follow(id, "running")) -- too late for a due date
    driver.run()
    assert.equal(3, #marks_of(id))
  end)

  it("that is paused or stopped while a step was waiting does not take it", function()
    for _, state in ipairs({ "paused", "stopped" }) do
      local id = begin({ target_ms = 2 * HOUR_MS, since_ms = time.now_ms() - 1.5 * HOUR_MS })
      follow(id, state)
      shift(id, "wake_at = NOW(3)") -- as if it had been taken before
      driver.run()
      assert.same({ {}, state }, { marks_of(id), only(id).state })
    end
  end)

  it("takes another target, but no step twice", function()
    local id = begin({ target_ms = 4 * HOUR_MS, since_ms = time.now_ms() - 2.5 * HOUR_MS })
    driver.run()
    local due_ms, found = db.transaction(ctx, function(tx)
      return clocks.retarget(tx, RESOURCE, id, KIND, 2 * HOUR_MS)
    end)
    assert.near(time.now_ms() - HOUR_MS / 2, due_ms, 60000)
    assert.is_true(found)
    driver.run()
    assert.same({ 50, 100 }, marks_of(id))
    assert.is_false(select(2, db.transaction(ctx, function(tx)
      return clocks.retarget(tx, RESOURCE, uuid.v7(), KIND, HOUR_MS)
    end)))
  end)

  it("of a thing that is gone stops", function()
    local id = begin({ target_ms = 2 * HOUR_MS, since_ms = time.now_ms() - 1.5 * HOUR_MS })
    gone[id] = true
    driver.run()
    assert.same({ {}, "stopped" }, { marks_of(id), only(id).state })
  end)

  it("asks before its transaction, and stops when it is told so", function()
    local id = begin({ target_ms = 2 * HOUR_MS, since_ms = time.now_ms() - 2.5 * HOUR_MS })
    local take = kind.take
    kind.prepare = function(own, clock, step)
      assert.is_nil(own.tx)
      return step.mark < 100 and clock.resource_id or nil
    end
    kind.take = function(tx, resource, clock, step, prepared)
      assert.equal(resource.id, prepared)
      take(tx, resource, clock, step)
    end
    driver.run()
    assert.same({ { 50 }, "stopped" }, { marks_of(id), only(id).state })
  end)

  describe("that a step stops by what it prepares", function()
    local id, begun, fails

    -- As a rule's step does that ends the thing and then fails, or dies.
    before_each(function()
      id = begin({ target_ms = 2 * HOUR_MS, since_ms = time.now_ms() - 1.5 * HOUR_MS })
      begun, fails = false, true
      kind.prepare = function(_, clock)
        if clock.state ~= "running" and not begun then
          return nil
        end
        begun = true
        follow(id, "stopped")
        return not fails or error("not yet")
      end
      kind.take = function() end
    end)

    local function again()
      shift(id, "wake_at = NOW(3)")
      driver.run()
      return db.platform(system):one("SELECT state, mark, wake_at IS NULL AS done FROM sla_clocks "
        .. "WHERE resource_id = ?", id)
    end

    it("is tried until that step is taken, and then no more", function()
      driver.run()
      assert.same({ "stopped", 0 }, { only(id).state, only(id).mark })
      fails = false
      assert.same({ state = "stopped", mark = 50, done = 1 }, again())
    end)

    it("goes on without a step that cannot be taken", function()
      driver.run()
      for _ = 2, 7 do
        assert.same({ state = "stopped", mark = 0, done = 0 }, again())
      end
      assert.same({ state = "stopped", mark = 50, done = 1 }, again())
    end)

    it("is left alone when the step had not begun", function()
      shift(id, "attempts = 1") -- somebody took it and died at once
      follow(id, "stopped")
      assert.same({ state = "stopped", mark = 0, done = 1 }, again())
    end)

    it("is taken when the thing has gone meanwhile", function()
      driver.run()
      gone[id], fails = true, false
      assert.same({ state = "stopped", mark = 50, done = 1 }, again())
    end)
  end)

  it("of a plugin that is not loaded waits for it", function()
    local id = begin({ target_ms = 2 * HOUR_MS, since_ms = time.now_ms() - 1.5 * HOUR_MS })
    registry.clocks[KIND] = nil
    driver.run()
    registry.clocks[KIND] = kind
    assert.same({ "running", 0 }, { only(id).state, only(id).mark })
  end)

  it("runs in the business hours of its tenant, and by new ones when they change", function()
    local now = time.now_ms()
    local always = { { from = "00:00", to = "24:00" } }
    local week = {}
    for _, day in ipairs(WEEK) do
      week[day] = always
    end
    local today = time.iso(now):sub(1, 10)
    local midnight = time.parse(today) + 24 * HOUR_MS
    local own = with_settings({ businessHours = week, holidays = { { date = today, name = "x" } } })
    local id = begin({ target_ms = 2 * HOUR_MS }, own)
    assert.equal(midnight + HOUR_MS, only(id, own).next_due_ms)
    stored({ businessHours = week })
    jobs.handlers["clocks.reckon"].run(own, {})
    assert.near(now + HOUR_MS, only(id, own).next_due_ms, 60000)
    assert.near(now + 2 * HOUR_MS, moved_to[id], 60000)
  end)

  it("goes by the settings that hold when it is reckoned, not by those when the job began", function()
    local today = time.iso(time.now_ms()):sub(1, 10)
    local midnight = time.parse(today) + 24 * HOUR_MS
    local always = {}
    for _, day in ipairs(WEEK) do
      always[day] = { { from = "00:00", to = "24:00" } }
    end
    local own = with_settings({ businessHours = always })
    local id = begin({ target_ms = 2 * HOUR_MS }, own)
    stored({ businessHours = always })
    local lock = kind.lock
    kind.lock = function(...)
      stored({ businessHours = always, holidays = { { date = today, name = "x" } } })
      return lock(...)
    end
    jobs.handlers["clocks.reckon"].run(own, {})
    assert.equal(midnight + HOUR_MS, only(id, own).next_due_ms)
  end)

  it("is another tenant's for nobody else", function()
    local id = begin({ target_ms = 2 * HOUR_MS })
    local other = context.system({ name = "test",
      tenant = identity.find_tenant_by_slug(system, "northgrid") })
    assert.same({}, clocks.list(other, RESOURCE, id))
    assert.is_nil(follow(id, "stopped", other))
    assert.equal("running", only(id).state)
  end)

  it("is one of a kind and name", function()
    local id = begin({ target_ms = HOUR_MS, name = "a" })
    begin({ target_ms = HOUR_MS, name = "b", resource_id = id })
    local ok, err = pcall(begin, { target_ms = HOUR_MS, name = "a", resource_id = id })
    assert.is_false(ok)
    assert.is_true(errors.is(err, "CONFLICT"))
  end)
end)
