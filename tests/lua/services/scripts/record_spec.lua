-- Records of runs: gathered, bounded, written.
local context = require("core.context")
local db = require("core.db")
local json = require("core.json")
local metrics = require("core.metrics")
local time = require("core.time")
local uuid = require("core.uuid")
local jobs = require("services.scripts.jobs")
local record = require("services.scripts.record")
local view = require("services.scripts.runs_view")

local system = context.system({ name = "test" })

describe("records of runs", function()
  local ctx

  local function new_tenant()
    local id = uuid.v7()
    db.platform(system):exec("INSERT INTO tenants (id, slug, organization_name) VALUES (?, ?, 'T')",
      id, "t" .. id:gsub("%-", ""))
    return context.system({ name = "test", tenant = { id = id } })
  end

  before_each(function()
    ctx = new_tenant()
  end)

  local function add(fields)
    local outcome = { hook = { file = "rules/a.lua", key = "rules/a.lua:on:report.created:1" },
      status = "ok", log = json.array({}), cpu_us = 1500, wall_us = 2500, memory = 1000, calls = 2,
      started_at = "2026-11-20T10:00:00.000Z" }
    for name, value in pairs(fields or {}) do
      outcome[name] = value
    end
    return record.add(ctx.tenant.id, { number = 3 }, outcome, { event = "report.created",
      event_id = "e", attempt = 2 })
  end

  local function count()
    return db.scope(ctx):one("SELECT COUNT(*) AS runs FROM script_runs WHERE tenant_id = :tenant").runs
  end

  it("are written together, and shown as they were", function()
    local id = add({ status = "error", error = { code = "SCRIPT_ERROR", message = "no", line = 3 },
      log = json.array({ "one" }), warnings = json.array({ "calls 18 of 20" }) })
    add()
    assert.equal(0, count())
    assert.is_true(record.flush())
    assert.is_false(record.flush())
    assert.equal(2, count())
    local run = view.get(ctx, id)
    assert.same({ release = 3, attempt = 2, status = "error", cpuMs = 1.5, wallMs = 2.5,
      startedAt = "2026-11-20T10:00:00.000Z", line = 3, log = "one", warning = "calls 18 of 20" },
      { release = run.release, attempt = run.attempt, status = run.status, cpuMs = run.cpuMs,
        wallMs = run.wallMs, startedAt = run.startedAt, line = run.error.line, log = run.log[1],
        warning = run.warnings[1] })
  end)

  local function unrecorded()
    return metrics.total("fixxit_script_runs_unrecorded_total")
  end

  local FAULT = { status = "error", error = { code = "X", message = "m" } }

  it("are all kept, of many runs at once", function()
    for _ = 1, 1050 do
      assert.truthy(add())
    end
    record.flush()
    assert.equal(1050, count())
  end)

  it("of more than can be written are counted, and those with a fault are kept before the others", function()
    local before, kept = unrecorded(), 0
    for _ = 1, 3500 do
      kept = kept + (add() and 1 or 0)
    end
    assert.equal(3200, kept)
    for _ = 1, 1000 do
      kept = kept + (add(FAULT) and 1 or 0)
    end
    assert.equal(4000, kept)
    assert.equal(500, unrecorded() - before)
    local own = ctx
    ctx = new_tenant()
    assert.truthy(add()) -- the room of others
    ctx = own
    record.flush()
    assert.equal(4000, count())
    assert.truthy(add()) -- there is room again
    record.flush()
    assert.equal(4001, count())
  end)

  it("have so much room for what they say", function()
    local said, kept = json.array({ ("x"):rep(8000) }), 0
    for _ = 1, 1000 do
      kept = kept + (add({ log = said }) and 1 or 0)
    end
    assert.truthy(kept > 500 and kept < 530, kept)
    record.flush()
    assert.equal(kept, count())
  end)

  it("that the database does not take are counted, and leave room for others", function()
    local before = unrecorded()
    for _ = 1, 250 do
      add({ hook = { file = ("x"):rep(100), key = "k" } })
    end
    record.flush()
    assert.same({ 0, 250 }, { count(), unrecorded() - before })
    add()
    record.flush()
    assert.equal(1, count())
  end)

  it("that are old go, however many", function()
    local number = 0
    for _ = 1, 2 do -- more than are deleted at a time
      for _ = 1, 3000 do
        number = number + (add({ started_at = "2026-01-01T10:00:00.000Z" }) and 1 or 0)
      end
      record.flush()
    end
    add({ started_at = time.now() })
    record.flush()
    assert.same({ 6000, 6001 }, { number, count() })
    assert.truthy(jobs.handlers["scripts.purge"].run().deleted >= number)
    assert.equal(1, count())
  end)
end)
