-- Reports on a real database. Pictures need the image process and are tested over HTTP.
local context = require("core.context")
local errors = require("core.errors")
local identity = require("services.identity")
local service = require("plugins.reports.service")
local store = require("plugins.reports.store")

local function raised(code, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(errors.is(err, code), tostring(err))
  return err
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
      local detail = service.get(staff, made.id)
      assert.equal(1, #detail.history)
      assert.equal("submitted", detail.history[1].to)
      assert.equal(made.id, service.track(within(nil, {}), made.trackingCode).id)
    end)

  it("keep the reporter's contact sealed, and show it to staff only", function()
    local made = service.create(anonymous, input({ reporter = { email = "ada@example.org" } }))
    local row = store.get(staff, made.id)
    assert.is_nil(row.reporter_contact:find("ada", 1, true))
    assert.equal("ada@example.org", service.get(staff, made.id).reporter.email)
    assert.is_nil(service.track(anonymous, made.trackingCode).reporter)
  end)

  it("are nowhere to be found from another tenant", function()
    local made = service.create(anonymous, input())
    local elsewhere = within(other, { "reports.read", "reports.update", "reports.delete" })
    raised("NOT_FOUND", service.get, elsewhere, made.id)
    raised("NOT_FOUND", service.set_status, elsewhere, made.id, { status = "acknowledged" })
    raised("NOT_FOUND", service.delete, elsewhere, made.id)
    raised("NOT_FOUND", service.track, elsewhere, made.trackingCode)
  end)

  it("name possible duplicates: near and of the same kind, or of like words", function()
    local place = { latitude = 40.1, longitude = 20.1 }
    local first = service.create(anonymous, input({ location = place, title = "Hole in the road" }))
    local _, meta = service.create(anonymous, input({
      location = { latitude = 40.1003, longitude = 20.1 }, title = "Something else entirely" }))
    assert.equal(first.id, meta.possibleDuplicates[1].id)
    assert.near(33, meta.possibleDuplicates[1].distance, 1)
    _, meta = service.create(anonymous, input({ category = "pothole", title = "Road hole",
      location = { description = "unknown" } }))
    assert.equal("Hole in the road", meta.possibleDuplicates[1].title)
    _, meta = service.create(anonymous, input({ category = "graffiti", title = "Zebra painted blue",
      location = place }))
    assert.equal(0, #meta.possibleDuplicates)
  end)

  it("refuse a stale version and a move that is not allowed", function()
    local made = service.create(anonymous, input())
    raised("PRECONDITION_FAILED", service.set_status, staff, made.id,
      { status = "acknowledged" }, 7)
    local err = raised("INVALID_TRANSITION", service.set_status, staff, made.id,
      { status = "closed" })
    assert.same({ "acknowledged", "rejected", "duplicate" }, { unpack(err.details[1].allowed) })
    assert.equal(2, service.set_status(staff, made.id, { status = "acknowledged" }, 1).version)
  end)

  it("have a history that nobody can change", function()
    local made = service.create(anonymous, input())
    local db = require("core.db")
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
    local near = service.create(anonymous, input({ location = { latitude = 10, longitude = 10 } }))
    local far = service.create(anonymous, input({
      location = { latitude = 10.003, longitude = 10 } }))
    local found = service.nearby(anonymous, { lat = 10.0001, lng = 10, radius = 400, limit = 10 })
    assert.equal(near.id, found[1].id)
    assert.equal(far.id, found[2].id)
    assert.equal(11, found[1].distance)
    assert.equal(1, #service.nearby(anonymous, { lat = 10.0001, lng = 10, radius = 100,
      limit = 10 }))
  end)
end)
