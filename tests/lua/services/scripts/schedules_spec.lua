-- Schedules of scripts on a real database: rows that keep their names, and each occurrence once.
local context = require("core.context")
local db = require("core.db")
local json = require("core.json")
local task = require("core.task")
local time = require("core.time")
local uuid = require("core.uuid")
local active = require("services.scripts.active")
local listeners = require("services.scripts.listeners")
local schedule_rows = require("services.scripts.schedule_rows")
local schedules = require("services.scripts.schedules")

local system = context.system({ name = "spec" })

local function exec(sql, ...)
  return db.platform(system):exec(sql, ...)
end

describe("schedules", function()
  local tenant, ctx, running
  local find = active.find

  local function every(name, cron)
    return { kind = "every", name = name, cron = cron, file = "rules/a.lua",
      key = "rules/a.lua:every:" .. name .. ":1" }
  end

  local function reconcile(...)
    local hooks = { { kind = "on", name = "report.created", file = "rules/a.lua" }, ... }
    running = { id = uuid.v7(), name = "1", tenant_id = tenant.id, hooks = hooks }
    db.transaction(ctx, function(tx)
      schedule_rows.reconcile(tx, hooks)
    end)
  end

  local function row(name)
    return db.platform(system):one(
      "SELECT cron, timezone, next_run_at, last_run_at FROM script_schedules WHERE tenant_id = ? AND name = ?",
      tenant.id, name)
  end

  local function jobs()
    local rows = db.platform(system):query(
      "SELECT payload FROM jobs WHERE tenant_id = ? AND name = ? ORDER BY id", tenant.id, listeners.JOB)
    local list = {}
    for i, job in ipairs(rows) do
      list[i] = json.decode(job.payload)
    end
    return list
  end

  local function set_due(name, ms)
    exec("UPDATE script_schedules SET next_run_at = ? WHERE tenant_id = ? AND name = ?", time.db(ms),
      tenant.id, name)
  end

  before_each(function()
    local id = uuid.v7()
    exec("DELETE FROM script_schedules")
    exec("INSERT INTO tenants (id, slug, organization_name, timezone) VALUES (?, ?, 'T', 'Europe/Rome')", id,
      "t" .. id:gsub("%-", ""))
    tenant = { id = id, timezone = "Europe/Rome", settings = {} }
    ctx = context.system({ name = "spec", tenant = tenant })
    active.find = function(_, tenant_id)
      return tenant_id == tenant.id and running or nil
    end
  end)

  after_each(function()
    active.find = find
    exec("DELETE FROM jobs WHERE tenant_id = ?", tenant.id)
  end)

  it("are rows by name, whose next time stays while name and time do", function()
    reconcile(every("a", "0 7 * * *"), every("b", "0 8 * * *"))
    set_due("a", time.parse("2099-01-01T00:00:00Z"))
    set_due("b", time.parse("2099-01-01T00:00:00Z"))
    reconcile(every("a", "0 7 * * *"), every("b", "0 9 * * *"), every("c", "* * * * *"))
    assert.equal("2099-01-01T00:00:00.000Z", row("a").next_run_at)
    assert.same({ "0 9 * * *", "Europe/Rome" }, { row("b").cron, row("b").timezone })
    assert.is_true(time.parse(row("b").next_run_at) < time.now_ms() + 26 * 3600000)
    assert.truthy(row("c"))
    reconcile(every("b", "0 9 * * *"))
    assert.is_nil(row("a"))
    assert.is_nil(row("c"))
    reconcile()
    assert.is_nil(row("b"))
  end)

  it("become one job when their time has come, whoever looks at the same moment", function()
    reconcile(every("a", "0 7 * * *"), every("b", "0 8 * * *"))
    local due = time.now_ms() - 1000
    set_due("a", due)
    local left, ended = 4, task.signal()
    for _ = 1, left do
      task.spawn(function()
        schedules.run_due()
        left = left - 1
        ended:notify()
      end)
    end
    while left > 0 do
      ended:wait(5000)
    end
    local found = jobs()
    assert.equal(1, #found)
    assert.same({ running.id, "rules/a.lua:every:a:1", "a", time.iso(due) },
      { found[1].release, found[1].hook, found[1].event.data.name, found[1].event.data.scheduledAt })
    assert.is_true(time.parse(row("a").next_run_at) > time.now_ms())
    assert.equal(time.iso(due), row("a").last_run_at)
  end)

  it("are made up for once when they were missed", function()
    reconcile(every("a", "*/5 * * * *"))
    set_due("a", time.now_ms() - 3 * 86400000)
    schedules.run_due()
    schedules.run_due()
    assert.equal(1, #jobs())
    local ahead = time.parse(row("a").next_run_at) - time.now_ms()
    assert.is_true(ahead > -1000 and ahead <= 300000)
  end)

  it("pass by while what they run is off, or the tenant is gone", function()
    reconcile(every("a", "*/5 * * * *"))
    running = { id = running.id, name = "1", hooks = {} } -- switched off
    set_due("a", time.now_ms() - 1000)
    schedules.run_due()
    assert.is_true(time.parse(row("a").next_run_at) > time.now_ms())
    exec("UPDATE tenants SET is_active = FALSE WHERE id = ?", tenant.id)
    require("services.identity.tenants").forget(tenant.id)
    reconcile(every("a", "*/5 * * * *"))
    set_due("a", time.now_ms() - 1000)
    schedules.run_due()
    assert.same({}, jobs())
    assert.is_nil(row("a").last_run_at)
  end)

  it("are found anew when the tenant's clock is another", function()
    reconcile(every("a", "0 7 * * *"))
    local before = row("a").next_run_at
    exec("UPDATE tenants SET timezone = 'Asia/Tokyo' WHERE id = ?", tenant.id)
    require("services.identity.tenants").forget(tenant.id)
    schedules.follow_moved()
    assert.equal("Asia/Tokyo", row("a").timezone)
    assert.not_equal(before, row("a").next_run_at)
    assert.equal("22:00", row("a").next_run_at:sub(12, 16))
    assert.same({}, jobs())
  end)
end)
