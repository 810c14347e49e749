-- What events tell of people, from the outside: told to whoever may see it while they are there,
-- never to be read in the tables, and gone with them.
local client = require("tests.support.client")
local event_stream = require("tests.support.event_stream")
local patience = require("tests.support.patience")
local servers = require("tests.support.server")

local WAIT_S = 10 * patience
local WORKERS, ASKS = 3, 12
local PASSWORD = "a quiet green bus"
local EMAIL = "xanthippe@gone.example"
local ANYBODY = { name = "Quentin Quigley", email = "quentin@nowhere.example", phone = "+441174960999" }
local HERS = { "Xanthippe", "Zweistein", EMAIL, "4960777" }
local WORDS = { "Quentin", "Quigley", ANYBODY.email, "4960999", unpack(HERS) }

local RULES = [[
on("report.created", function(event)
  local reporter = reports.get(event.report.id).reporter
  log("reported", reporter.name or "nobody", reporter.email or "nowhere", reporter.phone or "none")
end)
on("workorder.assigned", function(event)
  local person = event.workorder.assignee or { id = "a team" }
  log("assigned", person.id, person.name or "nobody")
end)
on("notification.new", function(event)
  log("told", event.data.userId, event.data.title or "nothing")
end)
]]
local DRAFT = [[
before("report.create", function(report)
  log("asked", report.reporter and report.reporter.name or "nobody")
  if not report.reporter or not report.reporter.phone then reject("reporter.phone", "how to ask") end
end)
]] .. RULES

local server, api, owner, dispatcher, xanthippe
local anonymous, signed_in, order -- what there is

local function ok(answer, status)
  assert.equal(status or 200, answer.status, answer.body)
  return answer.json.data
end

local function await(what, fn)
  for _ = 1, WAIT_S * 20 do
    local value = fn()
    if value then
      return value
    end
    servers.sleep(0.05)
  end
  error("waited in vain for " .. what, 2)
end

local function put_draft(content)
  ok(api:put("/scripts/draft/rules/people.lua", { token = owner.token, json = { content = content } }),
    content == RULES and 201 or 200)
end

local function report(title, options)
  options.json = { title = title, category = "other", location = { description = "at the church" },
    reporter = options.reporter }
  options.reporter = nil
  return ok(api:post("/reports", options), 201)
end

-- The log of the run of an event's handler, as one text.
local function logged(word)
  return await("a run that logs " .. word, function()
    for _, run in ipairs(ok(api:get("/scripts/runs", { token = owner.token }))) do
      local text = table.concat(run.log, "\n")
      if text:find(word, 1, true) then
        return text
      end
    end
  end)
end

-- What lies in tables, each whole.
local function dump(tables)
  local code, text = servers.shell(("mariadb-dump --no-defaults -uroot -S %s/run/mariadb.sock "
    .. "--skip-extended-insert --skip-triggers fixxit %s"):format(server.data, tables))
  assert.equal(0, code, text)
  return text
end

local function holds_none(words, tables)
  local text = dump(tables)
  assert.truthy(text:find(order.id, 1, true))
  for _, word in ipairs(words) do
    assert.is_nil(text:find(word, 1, true), word)
  end
end

-- The event of the order's assignment for the dispatcher, from a point before it.
local function replayed(point)
  local stream = event_stream.open(server.port, "token=" .. dispatcher.token .. "&lastEventId=" .. point)
  finally(function()
    stream:close()
  end)
  local event
  repeat
    event = assert(stream:expect("workorder:assigned"))
  until event.frame.data.id == order.id
  return event.frame.data
end

local function compare()
  local answer = ok(api:post("/scripts/test", { token = owner.token,
    json = { last = 100, compare = "active" } }))
  assert.equal(0, answer.totals.errors)
  local logs = {}
  for _, event in ipairs(answer.events) do
    logs[event.resourceId] = (logs[event.resourceId] or "") .. table.concat(event.log, "\n")
  end
  return logs, answer
end

-- What rules of the draft would log about an event, asked of all workers: each keeps keys.
local function logged_by_all(event_id)
  local logs = client.times(ASKS, function()
    local answer = ok(api:post("/scripts/test", { token = owner.token, json = { eventId = event_id } }))
    return table.concat(answer.events[1].log, "\n")
  end)
  for _, log in ipairs(logs) do
    assert.equal(logs[1], log)
  end
  return logs[1]
end

describe("what events tell of people", function()
  local point -- before all of it

  setup(function()
    server = servers.start({ env = { FIXXIT_SERVER_WORKERS = WORKERS, FIXXIT_LIMITS_SCALE = 10000 } })
    api = server.api
    owner, dispatcher = api:login("owner@riverton.example"), api:login("dispatcher@riverton.example")
    -- Rows of the outbox are gone soon: this is what was in them.
    server:sql("CREATE TABLE outbox_seen (tenant_id UUID NOT NULL, payload LONGTEXT, personal LONGTEXT)")
    server:sql("CREATE TRIGGER outbox_seen AFTER INSERT ON outbox FOR EACH ROW "
      .. "INSERT INTO outbox_seen VALUES (NEW.tenant_id, NEW.payload, NEW.personal)")
    local user = ok(api:post("/auth/register", { json = { email = EMAIL, password = PASSWORD,
      fullName = "Xanthippe Zweistein", phone = "+441174960777", tenant = "riverton" } }), 201).user
    ok(api:put("/admin/users/" .. user.id .. "/role", { token = owner.token, json = { role = "technician" } }))
    xanthippe = api:login(EMAIL, { password = PASSWORD, tenant = "riverton" })
    put_draft(RULES)
    ok(api:post("/scripts/publish", { token = owner.token, json = { message = "m" } }), 201)
    local stream = event_stream.open(server.port, "token=" .. dispatcher.token)
    point = assert(stream:expect("welcome")).id
    stream:close()
    anonymous = report("Lamp out", { tenant = "riverton", reporter = ANYBODY })
    signed_in = report("Lamp flickers", { token = xanthippe.token,
      reporter = { name = "Xanthippe Zweistein", email = EMAIL, phone = "+441174960777" } })
    order = ok(api:post("/workorders", { token = dispatcher.token, json = { reportId = anonymous.id } }), 201)
    ok(api:put("/workorders/" .. order.id .. "/assign", { token = dispatcher.token,
      json = { userId = xanthippe.user.id } }))
  end)

  teardown(function()
    server:stop()
  end)

  it("is there for rules, sockets and dry runs", function()
    assert.equal(("assigned %s Xanthippe Zweistein"):format(xanthippe.user.id), logged("assigned " .. xanthippe.user.id))
    assert.truthy(logged("told " .. xanthippe.user.id):find(order.number .. " is yours", 1, true))
    assert.equal(("reported %s %s %s"):format(ANYBODY.name, ANYBODY.email, ANYBODY.phone),
      logged("Quentin"))
    assert.same({ id = xanthippe.user.id, name = "Xanthippe Zweistein" }, replayed(point).assignee)
    put_draft(DRAFT)
    local logs, answer = compare()
    assert.truthy(logs[order.id]:find("Xanthippe Zweistein", 1, true))
    assert.truthy(logs[anonymous.id]:find("asked Quentin Quigley", 1, true))
    assert.truthy(logs[anonymous.id]:find("reported Quentin Quigley " .. ANYBODY.email, 1, true))
    assert.equal("asked nobody", logs[signed_in.id]) -- who has an account is known by that
    for _, difference in ipairs(answer.difference) do
      assert.equal("reject", difference.draft[1].call)
    end
  end)

  it("is not to be read where it is stored", function()
    holds_none(WORDS, "outbox outbox_seen event_log jobs")
  end)

  it("is for nobody who may not see it", function()
    local stream = event_stream.open(server.port, "token=" .. dispatcher.token .. "&lastEventId=" .. point)
    local event
    repeat
      event = assert(stream:expect("report:created"))
      assert.is_nil(event.data:find("Quentin", 1, true))
    until event.frame.data.id == anonymous.id
    stream:close()
  end)

  it("goes with them", function()
    local event_id = server:sql("SELECT event_id FROM event_log WHERE event = 'workorder.assigned' "
      .. "AND resource_id = '" .. order.id .. "'"):match("%S+")
    assert.truthy(logged_by_all(event_id):find("Xanthippe Zweistein", 1, true))
    ok(api:delete("/users/delete-account", { token = xanthippe.token, json = { password = PASSWORD } }))
    assert.equal(("assigned %s nobody"):format(xanthippe.user.id), logged_by_all(event_id))
    holds_none(HERS, "outbox outbox_seen event_log jobs audit_logs notifications reports users")
    assert.same({ id = xanthippe.user.id }, replayed(point).assignee)
    assert.equal("Deleted user", ok(api:get("/workorders/" .. order.id, { token = dispatcher.token })).assignee.name)
    local logs, answer = compare()
    assert.equal(("assigned %s nobody"):format(xanthippe.user.id), logs[order.id])
    assert.truthy(logs[xanthippe.user.id]:find(("told %s nothing"):format(xanthippe.user.id), 1, true))
    assert.truthy(logs[anonymous.id]:find("asked Quentin Quigley", 1, true)) -- others stay
    local text = require("cjson.safe").encode(answer)
    for _, word in ipairs(HERS) do
      assert.is_nil(text:find(word, 1, true), word)
    end
  end)
end)
