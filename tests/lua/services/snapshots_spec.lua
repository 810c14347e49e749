-- What events tell of persons: sealed wherever it is stored, told to whoever reads, gone with them.
local context = require("core.context")
local db = require("core.db")
local json = require("core.json")
local registry = require("core.registry")
local task = require("core.task")
local uuid = require("core.uuid")
local events = require("services.events")
local persons = require("services.persons")
local relay = require("services.events.relay")
local store = require("services.events.store")

local LEASE, HOLDER = "events.relay", "snapshots"
local system = context.system({ name = "test" })

local function new_tenant()
  local id = uuid.v7()
  db.platform(system):exec("INSERT INTO tenants (id, slug, organization_name) VALUES (?, ?, 'T')",
    id, "t" .. id:gsub("%-", ""))
  return context.system({ name = "test", tenant = { id = id } })
end

local function new_person()
  local id = uuid.v7()
  db.platform(system):exec("INSERT INTO users (id, email) VALUES (?, ?)", id, id .. "@events.test")
  return id
end

local function number()
  db.platform(system):exec("UPDATE leases SET expires_at = NOW(3) - INTERVAL 1 SECOND")
  store.take_lease(system, LEASE, HOLDER, 60)
  local token = store.find_lease(system, LEASE).fencing_token
  repeat until relay.number(HOLDER, token) == 0
end

local function emit(ctx, data, personal)
  return db.transaction(ctx, function(tx)
    return events.emit(tx, "thing.done", { resource_type = "thing", resource_id = "x", data = data,
      personal = personal })
  end)
end

local function erase(user_id)
  db.transaction(system, function(tx)
    persons.forget(tx, user_id)
  end)
end

-- A row as it lies in a table.
local function raw(source, ctx)
  local row = db.platform(system):one("SELECT * FROM " .. source .. " WHERE tenant_id = ?",
    ctx.tenant.id)
  return row and (row.payload .. (row.personal or "")), row
end

describe("a snapshot", function()
  local ctx, ann, bob

  before_each(function()
    number()
    ctx, ann, bob = new_tenant(), new_person(), new_person()
  end)

  local function emit_both()
    return emit(ctx, { title = "Lamp", assignee = { id = ann, name = "Xanthippe" },
      previous = { assignee = { id = bob, name = "Bartholomew" } }, message = "for Xanthippe",
      extra = { phone = "+1 555 0100" }, nothing = json.null },
      { ["assignee.name"] = ann, ["previous.assignee.name"] = bob, message = ann,
        ["extra.phone"] = bob, nothing = ann, ["no.way.there"] = ann })
  end

  local function whole()
    return { title = "Lamp", assignee = { id = ann, name = "Xanthippe" },
      previous = { assignee = { id = bob, name = "Bartholomew" } }, message = "for Xanthippe",
      extra = { phone = "+1 555 0100" }, nothing = json.null }
  end

  it("names nobody at rest, and everybody to who reads it", function()
    local id = emit_both()
    local function names_nobody(source)
      local text = raw(source, ctx)
      for _, word in ipairs({ "Xanthippe", "Bartholomew", "555 0100" }) do
        assert.is_nil(text:find(word, 1, true), source .. ": " .. word)
      end
      assert.truthy(text:find(ann, 1, true))
      assert.truthy(text:find("Lamp", 1, true))
    end
    registry.listeners["thing.done"] = { "thing.follow" }
    finally(function()
      registry.listeners["thing.done"] = nil
    end)
    names_nobody("outbox")
    number()
    names_nobody("event_log")
    names_nobody("jobs")
    assert.same(whole(), events.find(ctx, id).data)
    assert.same(whole(), events.list_latest(ctx, { "thing.done" }, 5)[1].data)
    local heard
    local function hear(_, event, job)
      heard = { event = event, job = job }
    end
    events.listener(hear)(system, json.decode(select(2, raw("jobs", ctx)).payload), "job")
    assert.same(whole(), heard.event.data)
    assert.is_nil(heard.event.personal)
    assert.equal("job", heard.job)
  end)

  it("names those who follow and those who come back, too", function()
    require("core.sys").shared_set("events.cursor.started", 0)
    local heard
    events.follow({
      hand_on = function(list)
        for _, event in ipairs(list) do
          heard = event.tenantId == ctx.tenant.id and event or heard
        end
      end,
      is_heard = function()
        return true
      end,
      await_room = function() end, piece_bytes = math.huge,
    })
    finally(events.unfollow)
    task.sleep(100)
    emit_both()
    number()
    for _ = 1, 100 do
      if heard then
        break
      end
      task.sleep(50)
    end
    assert.same(whole(), heard.data)
    assert.same(whole(), events.list_since(ctx, ctx.tenant.id, 0, 10)[1].data)
    erase(ann)
    local seen = events.list_since(ctx, ctx.tenant.id, 0, 10)[1].data
    assert.same({ id = ann }, seen.assignee)
    assert.same({ id = bob, name = "Bartholomew" }, seen.previous.assignee)
  end)

  it("forgets who was erased, and nobody else", function()
    local id = emit_both()
    number()
    erase(bob)
    local seen = events.find(ctx, id).data
    assert.same({ id = bob }, seen.previous.assignee)
    assert.same({}, seen.extra)
    assert.equal("Xanthippe", seen.assignee.name)
    erase(ann)
    assert.same({ title = "Lamp", assignee = { id = ann }, previous = { assignee = { id = bob } },
      extra = {}, nothing = json.null }, events.find(ctx, id).data)
    emit_both() -- what happens afterwards is stored without them
    local _, row = raw("outbox", ctx)
    assert.is_nil(row.personal)
    assert.is_nil(row.payload:find("Xanthippe", 1, true))
  end)

  it("of the time before has its names in it", function()
    db.platform(system):exec([[INSERT INTO outbox (tenant_id, event_id, event, resource_type,
        resource_id, actor, payload, occurred_at)
      VALUES (?, ?, 'thing.done', 'thing', 'x', '{}', '{"assignee":{"name":"Xanthippe"}}', NOW(3))]],
      ctx.tenant.id, uuid.v7())
    number()
    local event = events.list_latest(ctx, { "thing.done" }, 1)[1]
    assert.same({ assignee = { name = "Xanthippe" } }, event.data)
    assert.same(event, events.open(ctx, event))
  end)

  it("costs no question about those who were asked about before", function()
    emit_both()
    local reads = spy.on(require("services.persons.store"), "list")
    finally(function()
      reads:revert()
    end)
    emit_both()
    emit(ctx, { title = "Lamp" })
    assert.spy(reads).was.called(0)
  end)
end)
