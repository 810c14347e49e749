-- Reports on a real database. Pictures need the image process and are tested over HTTP.
local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local active = require("services.scripts.active")
local identity = require("services.identity")
local near = require("plugins.reports.near")
local reading = require("plugins.reports.reading")
local service = require("plugins.reports.service")
local status = require("plugins.reports.status")
local store = require("plugins.reports.store")
local view = require("plugins.reports.rules.view")

local function raised(code, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(err, code), tostring(err))
  return err
end

local function shown(ctx, id)
  return json.decode(json.encode((reading.show(ctx, id))))
end

local function tracked(ctx, code)
  return json.decode((reading.track(ctx, code)))
end

describe("reports", function()
  local tenant, other, staff, anonymous

  local function within(owner, permissions)
    local set = {}
    for _, permission in ipairs(permissions) do
      set[permission] = true
    end
    return context.new({ tenant = owner, actor = { kind = "anonymous", permissions = set } })
  end

  local function input(fields)
    local made = { title = "Broken lamp", category = "street_light", tags = {}, metadata = {},
      location = { latitude = 51.45, longitude = -2.59 } }
    for name, value in pairs(fields or {}) do
      made[name] = value
    end
    return made
  end

  setup(function()
    require("services.identity.seed").run(context.system({ name = "spec" }))
    local system = context.system({ name = "spec" })
    tenant = identity.find_tenant_by_slug(system, "riverton")
    other = identity.find_tenant_by_slug(system, "northgrid")
    staff = within(tenant, { "reports.read", "reports.update" })
    anonymous = within(tenant, {})
  end)

  it("are stored with the category's severity, a code and the first line of their history",
    function()
      local made = service.create(anonymous, input())
      assert.equal("submitted", made.status)
      assert.equal("medium", made.severity)
      local detail = shown(staff, made.id)
      assert.equal(1, #detail.history)
      assert.equal("submitted", detail.history[1].to)
      assert.equal(made.id, tracked(within(nil, {}), made.trackingCode).id)
    end)

  it("tell the same in the answer, the event and the audit trail, which keeps no secret", function()
    for _, metadata in ipairs({ {}, { lamp = 7, apiKey = "s3cret" } }) do
      local row, attachments = service.store(anonymous, input({ metadata = metadata,
        reporter = { email = "ada@example.org" } }))
      local answer = json.decode(json.encode(view.full_json(row, { attachments = attachments })))
      assert.same(json.decode(json.encode(view.full(row))).location, answer.location)
      local event = json.decode(db.scope(anonymous):one([[SELECT payload FROM outbox
        WHERE tenant_id = :tenant AND resource_id = ?]], row.id).payload)
      local audited = json.decode(db.platform(anonymous):one(
        "SELECT new_values FROM audit_logs WHERE resource_id = ?", row.id).new_values)
      assert.same(metadata, event.metadata)
      assert.same({ lamp = metadata.lamp }, audited.metadata)
      answer.attachments = nil
      assert.same(answer, event)
      for _, name in ipairs({ "trackingCode", "followerCount", "reporter" }) do
        assert.is_not_nil(answer[name])
        answer[name] = nil
      end
      answer.metadata, audited.metadata = nil, nil
      assert.same(answer, audited)
    end
  end)

  it("keep the reporter's contact sealed, and show it to staff only", function()
    local made = service.create(anonymous, input({ reporter = { email = "ada@example.org" } }))
    local row = store.get(staff, made.id)
    assert.is_nil(row.reporter_contact:find("ada", 1, true))
    assert.equal("ada@example.org", shown(staff, made.id).reporter.email)
    assert.is_nil(tracked(anonymous, made.trackingCode).reporter)
  end)

  it("are nowhere to be found from another tenant", function()
    local made = service.create(anonymous, input())
    local elsewhere = within(other, { "reports.read", "reports.update", "reports.delete" })
    raised("NOT_FOUND", reading.show, elsewhere, made.id)
    raised("NOT_FOUND", status.set_status, elsewhere, made.id, { status = "acknowledged" })
    raised("NOT_FOUND", service.delete, elsewhere, made.id)
    raised("NOT_FOUND", reading.track, elsewhere, made.trackingCode)
  end)

  it("are shown to whoever has the code as they are now, also when that was asked just before",
    function()
      local made = service.create(anonymous, input())
      assert.equal("submitted", tracked(anonymous, made.trackingCode).status)
      status.set_status(staff, made.id, { status = "acknowledged" })
      assert.equal("acknowledged", tracked(anonymous, made.trackingCode).status)
      raised("NOT_FOUND", reading.track, within(other, {}), made.trackingCode)
      service.delete(within(tenant, { "reports.read", "reports.delete" }), made.id)
      raised("NOT_FOUND", reading.track, anonymous, made.trackingCode)
    end)

  it("name possible duplicates: near and of the same kind, or of like words", function()
    local place = { latitude = 40.1, longitude = 20.1 }
    local first = service.create(anonymous, input({ location = place, title = "Hole in the road" }))
    local function duplicates(fields)
      local _, meta = service.create(anonymous, input(fields))
      return json.decode(json.encode(meta)).possibleDuplicates
    end
    local close = duplicates({ location = { latitude = 40.1003, longitude = 20.1 },
      title = "Something else entirely" })
    assert.equal(first.id, close[1].id)
    assert.near(33, close[1].distance, 1)
    local alike = duplicates({ category = "pothole", title = "Road hole",
      location = { description = "unknown" } })
    assert.equal("Hole in the road", alike[1].title)
    assert.same({}, duplicates({ category = "graffiti", title = "Zebra painted blue",
      location = place }))
  end)

  it("name duplicates across the corner of four areas, at a pole, and none that are old", function()
    local places = {
      { { latitude = 44.9999, longitude = 22.4999 }, { latitude = 45.0001, longitude = 22.5001 } },
      { { latitude = 89.9999, longitude = 10 }, { latitude = 89.9998, longitude = 10 } },
    }
    for i, pair in ipairs(places) do
      local first = service.create(anonymous, input({ location = pair[1], title = "First " .. i }))
      local function near_it(place)
        local row = { id = "00000000-0000-7000-8000-000000000000", title = "Otherwise named",
          category = "street_light", latitude = place.latitude, longitude = place.longitude }
        return json.decode(json.encode(near.possible_duplicates(anonymous, row)))
      end
      assert.equal(first.id, near_it(pair[2])[1].id)
      db.scope(anonymous):exec([[UPDATE reports SET created_at = NOW(3) - INTERVAL 15 DAY
        WHERE tenant_id = :tenant AND id = ?]], first.id)
      assert.same({}, near_it(pair[2]))
    end
  end)

  it("refuse a stale version and a move that is not allowed", function()
    local made = service.create(anonymous, input())
    raised("PRECONDITION_FAILED", status.set_status, staff, made.id,
      { status = "acknowledged" }, { [7] = true })
    local err = raised("INVALID_TRANSITION", status.set_status, staff, made.id,
      { status = "closed" })
    assert.same({ "acknowledged", "rejected", "duplicate" }, { unpack(err.details[1].allowed) })
    status.set_status(staff, made.id, { status = "acknowledged" }, { [1] = true })
    assert.equal(2, shown(staff, made.id).version)
  end)

  describe("that are merged", function()
    local survivor, report

    before_each(function()
      survivor = service.create(anonymous, input()).id
      report = service.create(anonymous, input()).id
    end)

    local function latest(sql, id)
      return require("core.db").scope(staff):one(sql, id)
    end

    it("become duplicates of their survivor, in history, audit and an event", function()
      status.merge(staff, report, survivor, { [1] = true })
      local detail = shown(staff, report)
      assert.same({ "duplicate", survivor, 2 },
        { detail.status, detail.duplicateOf, detail.version })
      assert.same({ "submitted", "duplicate" },
        { detail.history[2].from, detail.history[2].to })
      local audited = latest([[SELECT new_values FROM audit_logs WHERE tenant_id = :tenant
        AND resource_id = ? ORDER BY id DESC LIMIT 1]], report)
      assert.matches(survivor, audited.new_values, 1, true)
      local event = latest([[SELECT event, payload FROM outbox WHERE tenant_id = :tenant
        AND resource_id = ? ORDER BY id DESC LIMIT 1]], report)
      assert.equal("report.updated", event.event)
      assert.matches(survivor, event.payload, 1, true)
      assert.equal("submitted", shown(staff, survivor).status)
    end)

    it("bring their own duplicates along", function()
      local last = service.create(anonymous, input()).id
      status.merge(staff, report, survivor)
      status.merge(staff, survivor, last)
      assert.equal(last, shown(staff, survivor).duplicateOf)
      local moved = shown(staff, report)
      assert.same({ last, "duplicate", 3 }, { moved.duplicateOf, moved.status, moved.version })
    end)

    it("go neither into themselves nor into a duplicate", function()
      assert.equal("into", raised("VALIDATION_ERROR", status.merge, staff, report,
        report).details[1].field)
      status.merge(staff, report, survivor)
      local third = service.create(anonymous, input()).id
      raised("VALIDATION_ERROR", status.merge, staff, third, report)
      assert.is_nil(shown(staff, third).duplicateOf)
    end)

    it("are known, the tenant's, as they were read, and not too far on", function()
      raised("NOT_FOUND", status.merge, staff, report, "01a1fe30-4a20-7801-8518-f6b2802ed6f8")
      local theirs = service.create(within(other, {}), input()).id
      raised("NOT_FOUND", status.merge, staff, report, theirs)
      raised("NOT_FOUND", status.merge, within(other, { "reports.read", "reports.update" }),
        report, theirs)
      raised("FORBIDDEN", status.merge, within(tenant, { "reports.read" }), report, survivor)
      raised("PRECONDITION_FAILED", status.merge, staff, report, survivor, { [2] = true })
      status.merge(staff, report, survivor)
      raised("INVALID_TRANSITION", status.merge, staff, report, survivor)
    end)

    it("are so by merging only, since a status names no survivor", function()
      local err = raised("VALIDATION_ERROR", status.set_status, staff, report,
        { status = "duplicate" })
      assert.matches("/merge", err.details[1].message, 1, true)
      assert.equal("submitted", shown(staff, report).status)
    end)
  end)

  it("are not carried forward by work when a guard was not asked of them as they are", function()
    local find = active.find
    finally(function()
      active.find = find
    end)
    active.find = function()
      return { id = "dev", hooks = { { kind = "transition", name = "report:submitted:acknowledged",
        of = "report", from = "submitted", to = "acknowledged", guarded = true,
        file = "rules/a.lua", line = 1, id = 1 } } }
    end
    local id = service.create(staff, input()).id
    local function progress(to, asked)
      return db.transaction(staff, function(tx)
        return status.progress(tx, id, to, "Work", asked)
      end)
    end
    local before = shown(staff, id)
    raised("CONFLICT", progress, "acknowledged", nil)
    raised("CONFLICT", progress, "acknowledged", { from = "reopened", to = "acknowledged", allowed = 1 })
    raised("CONFLICT", progress, "in_progress", { from = "submitted", to = "acknowledged", allowed = 1 })
    assert.same(before, shown(staff, id))
    local held = { status = "in_progress", rule = "rules/a.lua:1" }
    assert.same(held, progress("in_progress",
      { from = "submitted", to = "in_progress", allowed = 1, held = held }))
    assert.equal("acknowledged", shown(staff, id).status)
    assert.is_nil(progress("in_progress", nil)) -- that step has no guard
    assert.equal("in_progress", shown(staff, id).status)
  end)

  it("have a history that nobody can change", function()
    local made = service.create(anonymous, input())
    assert.is_false(pcall(function()
      db.scope(staff):exec([[UPDATE report_status_history SET reason = 'x'
        WHERE tenant_id = :tenant AND report_id = ?]], made.id)
    end))
    assert.is_false(pcall(function()
      db.scope(staff):exec([[DELETE FROM report_status_history
        WHERE tenant_id = :tenant AND report_id = ?]], made.id)
    end))
  end)

  it("are found near a position, nearest first, and no further than asked", function()
    local close = service.create(anonymous, input({ location = { latitude = 10, longitude = 10 } }))
    local far = service.create(anonymous, input({
      location = { latitude = 10.003, longitude = 10 } }))
    local found = near.nearby(anonymous, { lat = 10.0001, lng = 10, radius = 400, limit = 10 })
    assert.equal(close.id, found[1].id)
    assert.equal(far.id, found[2].id)
    assert.equal(11, found[1].distance)
    assert.equal(1, #near.nearby(anonymous, { lat = 10.0001, lng = 10, radius = 100,
      limit = 10 }))
  end)
end)
