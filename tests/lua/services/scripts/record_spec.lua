-- Records of runs: gathered, bounded, written.
local context = require("core.context")
local db = require("core.db")
local json = require("core.json")
local uuid = require("core.uuid")
local record = require("services.scripts.record")
local view = require("services.scripts.runs_view")

local system = context.system({ name = "test" })

describe("records of runs", function()
  local ctx

  before_each(function()
    local id = uuid.v7()
    db.platform(system):exec("INSERT INTO tenants (id, slug, organization_name) VALUES (?, ?, 'T')",
      id, "t" .. id:gsub("%-", ""))
    ctx = context.system({ name = "test", tenant = { id = id } })
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

  it("of a flood are not kept whole, and those with a fault are kept before the others", function()
    local kept = 0
    for _ = 1, 150 do
      kept = kept + (add() and 1 or 0)
    end
    assert.equal(100, kept)
    for _ = 1, 400 do
      kept = kept + (add({ status = "error", error = { code = "X", message = "m" } }) and 1 or 0)
    end
    assert.equal(300, kept)
    record.flush()
    assert.equal(300, count())
  end)
end)
