-- From the outbox to the log: what is numbered, when, by whom.
local context = require("core.context")
local db = require("core.db")
local registry = require("core.registry")
local trace = require("core.trace")
local uuid = require("core.uuid")
local events = require("services.events")
local follower = require("services.events.follower")
local jobs = require("services.events.jobs")
local relay = require("services.events.relay")
local store = require("services.events.store")

local LEASE = "events.relay"
local system = context.system({ name = "test" })

local function new_tenant()
  local id = uuid.v7()
  db.platform(system):exec("INSERT INTO tenants (id, slug, organization_name) VALUES (?, ?, 'T')",
    id, "t" .. id:gsub("%-", ""))
  return context.system({ name = "test", tenant = { id = id } })
end

local function emit(ctx, count)
  for i = 1, count do
    db.transaction(ctx, function(tx)
      events.emit(tx, "thing.done", { resource_type = "thing", resource_id = uuid.v7(),
        data = { n = i } })
    end)
  end
end

local function numbers(ctx)
  local list = {}
  for _, row in ipairs(db.scope(ctx):query(
    "SELECT seq FROM event_log WHERE tenant_id = :tenant ORDER BY id")) do
    list[#list + 1] = row.seq
  end
  return list
end

local function lead(holder)
  db.platform(system):exec("UPDATE leases SET expires_at = NOW(3) - INTERVAL 1 SECOND")
  store.take_lease(system, LEASE, holder, 60)
  local lease = store.find_lease(system, LEASE)
  assert.equal(holder, lease.holder)
  return lease.fencing_token
end

-- Numbers what other specs have left in the outbox.
local function drain()
  local token = lead("a")
  repeat until relay.number("a", token) == 0
end

describe("the relay", function()
  before_each(drain)

  it("numbers each tenant's events without holes, in the order of their commits", function()
    local one, two = new_tenant(), new_tenant()
    emit(one, 3)
    emit(two, 2)
    pcall(db.transaction, one, function(tx)
      events.emit(tx, "thing.done", { resource_type = "thing", resource_id = "x", data = {} })
      error("no", 0)
    end)
    local token = lead("a")
    assert.equal(5, relay.number("a", token))
    emit(one, 1)
    assert.equal(1, relay.number("a", token))
    assert.equal(0, relay.number("a", token))
    assert.same({ 1, 2, 3, 4 }, numbers(one))
    assert.same({ 1, 2 }, numbers(two))
    assert.equal(0, db.platform(system):one("SELECT COUNT(*) AS n FROM outbox").n)
  end)

  it("does nothing for a leader that lost its lease", function()
    local ctx = new_tenant()
    emit(ctx, 1)
    local old = lead("a")
    local new = lead("b")
    assert.equal(old + 1, new)
    assert.equal(0, relay.number("a", old))
    assert.same({}, numbers(ctx))
    assert.equal(1, relay.number("b", new))
    assert.same({ 1 }, numbers(ctx))
  end)

  it("does not let two lead at a time", function()
    lead("a")
    store.take_lease(system, LEASE, "b", 60)
    assert.equal("a", store.find_lease(system, LEASE).holder)
  end)

  it("takes the lead from one whose lease would last longer than any: the clock was set back", function()
    local old = lead("a")
    db.platform(system):exec("UPDATE leases SET expires_at = NOW(3) + INTERVAL 1 HOUR")
    store.take_lease(system, LEASE, "b", 60)
    local lease = store.find_lease(system, LEASE)
    assert.equal("b", lease.holder)
    assert.equal(old + 1, lease.fencing_token)
    assert.truthy(lease.left_ms <= 60000)
  end)

  it("turns an event into the jobs that listen, once, with the event as payload", function()
    local ctx = new_tenant()
    registry.listeners["thing.done"] = { "thing.follow" }
    finally(function()
      registry.listeners["thing.done"] = nil
    end)
    emit(ctx, 2)
    relay.number("a", lead("a"))
    local rows = db.platform(system):query(
      "SELECT name, payload FROM jobs WHERE tenant_id = ? ORDER BY id", ctx.tenant.id)
    assert.equal(2, #rows)
    local event = require("core.json").decode(rows[2].payload)
    assert.equal("thing.done", event.event)
    assert.equal(2, event.seq)
    assert.equal(2, event.data.n)
    assert.equal(ctx.tenant.id, event.tenantId)
  end)

  it("hands the trace and the request's id of an event to its jobs", function()
    local ctx = new_tenant():with({ request_id = "asked", trace = trace.read(nil) })
    registry.listeners["thing.done"] = { "thing.follow" }
    finally(function()
      registry.listeners["thing.done"] = nil
    end)
    emit(ctx, 1)
    relay.number("a", lead("a"))
    for _, source in ipairs({ "event_log", "jobs" }) do
      local row = db.platform(system):one("SELECT request_id, traceparent FROM " .. source
        .. " WHERE tenant_id = ?", ctx.tenant.id)
      assert.same({ request_id = "asked", traceparent = trace.parent(ctx) }, row, source)
    end
  end)
end)

describe("the follower", function()
  -- The position outlives a spec that empties the log; begin where the log ends.
  before_each(function()
    drain()
    require("core.sys").shared_set("events.cursor.started", 0)
  end)

  -- Follows until the spec ends. @return the numbers of a tenant's events, as they are handed on
  local function follow(ctx, is_heard, piece_bytes)
    local got = { waits = 0 }
    events.follow({
      hand_on = function(list)
        for _, event in ipairs(list) do
          if event.tenantId == ctx.tenant.id then
            got[#got + 1] = event.seq
          end
        end
      end,
      is_heard = is_heard,
      await_room = function()
        got.waits = got.waits + 1
      end,
      piece_bytes = piece_bytes or math.huge,
    })
    finally(events.unfollow)
    require("core.task").sleep(100)
    return got
  end

  local function await(condition)
    for _ = 1, 40 do
      if condition() then
        break
      end
      require("core.task").sleep(50)
    end
  end

  it("passes over what comes while nobody is there to hear it", function()
    local ctx, is_anybody_there = new_tenant(), false
    local got = follow(ctx, function()
      return is_anybody_there
    end)
    local before = events.position()
    emit(ctx, 2)
    relay.number("a", lead("a"))
    await(function()
      return events.position() >= before + 2
    end)
    is_anybody_there = true
    emit(ctx, 1)
    relay.number("a", lead("a"))
    await(function()
      return #got == 1
    end)
    assert.same({ 3, waits = 1 }, got)
    assert.equal(2, #events.list_since(ctx, ctx.tenant.id, 1, 10))
  end)

  it("hands on what comes to somebody who came while the place was looked up", function()
    local ctx, asked = new_tenant(), 0
    follow(ctx, function() -- begins where the log ends
      return true
    end)
    events.unfollow()
    emit(ctx, 2)
    relay.number("a", lead("a"))
    local got = follow(ctx, function()
      asked = asked + 1
      return asked ~= 1
    end)
    await(function()
      return #got == 2
    end)
    assert.same({ 1, 2, waits = 1 }, got)
    assert.is_true(asked > 2)
  end)

  it("waits for room before each piece of what is much", function()
    local ctx = new_tenant()
    local got = follow(ctx, function()
      return true
    end, 1)
    emit(ctx, 3)
    relay.number("a", lead("a"))
    await(function()
      return #got == 3
    end)
    assert.same({ 1, 2, 3, waits = 3 }, got)
  end)

  it("hands on each event once, and past ones can be read up to there", function()
    local ctx = new_tenant()
    local got = follow(ctx, function()
      return true
    end)
    emit(ctx, 3)
    relay.number("a", lead("a"))
    await(function()
      return #got == 3
    end)
    assert.same({ 1, 2, 3, waits = 1 }, got)
    local limits = { max = 10, seconds = 60 }
    assert.is_true(events.can_resume(ctx, ctx.tenant.id, 3, limits))
    assert.is_true(events.can_resume(ctx, ctx.tenant.id, 1, limits))
    assert.is_false(events.can_resume(ctx, ctx.tenant.id, 4, limits))
    assert.is_false(events.can_resume(ctx, ctx.tenant.id, 0, { max = 2, seconds = 60 }))
    local list, position = events.list_since(ctx, ctx.tenant.id, 1, 10)
    assert.equal(2, #list)
    assert.equal(events.position(), position)
  end)

  it("is waited for by who has heard more of another worker", function()
    local ctx, heard_again = new_tenant(), nil
    emit(ctx, 2)
    relay.number("a", lead("a")) -- nobody follows: this worker has handed nothing on
    require("core.sys").shared_set("events.cursor", 0)
    require("core.task").spawn(function()
      events.await(ctx, ctx.tenant.id, 2)
      heard_again = follower.position() < store.find_id(system, ctx.tenant.id, 2)
    end)
    events.await(ctx, ctx.tenant.id, 3) -- there is no such event
    require("core.task").sleep(100)
    assert.is_nil(heard_again)
    follow(ctx, function()
      return true
    end)
    await(function()
      return heard_again ~= nil
    end)
    assert.is_false(heard_again)
  end)

  it("takes a number from a worker that is ahead of this one", function()
    local ctx = new_tenant()
    emit(ctx, 2)
    relay.number("a", lead("a")) -- nobody follows: this worker has handed nothing on
    assert.equal(2, events.last_seq(ctx, ctx.tenant.id))
    assert.is_true(events.can_resume(ctx, ctx.tenant.id, 2, { max = 10, seconds = 60 }))
    assert.is_false(events.can_resume(ctx, ctx.tenant.id, 3, { max = 10, seconds = 60 }))
  end)
end)

describe("the log", function()
  local function purge()
    return jobs.handlers["events.purge"].run(system).deleted
  end

  local function age(ctx, seq, days)
    db.platform(system):exec([[UPDATE event_log SET recorded_at = NOW(3) - INTERVAL ? DAY
      WHERE tenant_id = ? AND seq = ?]], days, ctx.tenant.id, seq)
  end

  local function left(ctx)
    return db.platform(system):one(
      "SELECT COUNT(*) AS events, MIN(seq) AS first FROM event_log WHERE tenant_id = ?",
      ctx.tenant.id)
  end

  it("keeps 90 days", function()
    drain()
    purge()
    local ctx = new_tenant()
    emit(ctx, 4)
    drain()
    age(ctx, 1, 400)
    age(ctx, 2, 91)
    age(ctx, 3, 89)
    assert.equal(2, purge())
    assert.same({ events = 2, first = 3 }, left(ctx))
    assert.equal(0, purge())
    age(ctx, 3, 91)
    age(ctx, 4, 91)
    purge()
    assert.equal(0, left(ctx).events)
    emit(ctx, 1)
    drain()
    assert.same({ events = 1, first = 5 }, left(ctx)) -- numbers go on
  end)

  it("loses all that is too old at once, however much there is", function()
    drain()
    purge()
    local ctx = new_tenant()
    db.platform(system):exec([[INSERT INTO event_log (tenant_id, seq, event_id, event, resource_type,
        resource_id, actor, payload, occurred_at, recorded_at)
      SELECT ?, seq, UUID(), 'thing.done', 'thing', 'x', '{}', '{}', NOW(3), NOW(3) - INTERVAL 91 DAY
      FROM seq_1_to_5001]], ctx.tenant.id)
    assert.equal(5001, purge())
    assert.equal(0, left(ctx).events)
  end)

  it("is looked at every hour", function()
    local found
    for _, schedule in ipairs(jobs.schedules) do
      found = schedule.job == "events.purge" and schedule or found
    end
    assert.equal(3600000, found.every_ms)
  end)
end)
