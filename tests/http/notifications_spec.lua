-- What one is told in the product, by mail and by text message, and how one wants it.
local cjson = require("cjson.safe")
local cqueues = require("cqueues")
local expect = require("tests.support.expect")
local mailbox = require("tests.support.mailbox")
local servers = require("tests.support.server")

local ok, refused, wrong_fields = expect.ok, expect.refused, expect.wrong_fields

local UNKNOWN = "01a1fe30-4a20-7801-8518-f6b2802ed6f8"
local LIST, PREFERENCES = "/notifications", "/notifications/preferences"
local WAIT_S = 60

local server, api, dispatcher, technician, colleague, stranger

setup(function()
  server = servers.start()
  api = server.api
  dispatcher = api:login("dispatcher@riverton.example")
  technician = api:login("tech1@riverton.example")
  colleague = api:login("tech2@riverton.example")
  stranger = api:login("tech1@northgrid.example")
end)

teardown(function()
  server:stop()
end)

local function list(who, query)
  return ok(api:get(LIST .. (query or ""), { token = who.token }))
end

-- A work order that somebody else gives to `assignee` ({userId=} or {teamId=}).
local function give_work(title, assignee)
  local order = ok(api:post("/workorders", { token = dispatcher.token, json = { title = title } }))
  ok(api:put("/workorders/" .. order.id .. "/assign", { token = dispatcher.token, json = assignee }))
  return order
end

local function wait_for(what, find)
  local deadline = cqueues.monotime() + WAIT_S
  repeat
    local found = find()
    if found then
      return found
    end
    cqueues.sleep(0.05)
  until cqueues.monotime() > deadline
  error("waited in vain for " .. what, 2)
end

-- The notification of a work order, once it is there.
local function told(who, order)
  return wait_for("the notification of " .. order.number, function()
    for _, notification in ipairs(list(who)) do
      if notification.title:find(order.number, 1, true) then
        return notification
      end
    end
  end)
end

describe("who is given work", function()
  it("hears of it in the list, on the socket and by mail", function()
    local socket = api:socket("token=" .. technician.token)
    socket:expect("auth:ok")
    local order = give_work("Lamp <out>", { userId = technician.user.id, message = "Bring a ladder." })
    local frame = socket:expect(function(message)
      return message.event == "notification:new" and message.data.title:find(order.number, 1, true)
    end)
    assert.equal(order.id, frame.data.data.workOrderId)
    local notification = told(technician, order)
    assert.same({ frame.data.id, "workorder.assigned", order.number .. " is yours", cjson.null },
      { notification.id, notification.type, notification.title, notification.readAt })
    assert.equal("Lamp <out>: Bring a ladder.", notification.message)
    local mail = mailbox.wait(api, "tech1@riverton.example", order.number)
    assert.truthy(mail.text:find("Bring a ladder.", 1, true))
    assert.is_nil(mail.html:find("<out>", 1, true))
    ok(api:put(LIST .. "/" .. notification.id .. "/read", { token = technician.token, json = {} }))
    assert.same({ notification.id }, socket:expect_event("notification:read").data.ids)
    socket:close()
    for _, other in ipairs({ colleague, stranger, dispatcher }) do
      for _, seen in ipairs(list(other, "?limit=100")) do
        assert.is_nil(seen.title:find(order.number, 1, true))
      end
    end
  end)

  it("hears of it with the team, each member once", function()
    local teams = ok(api:get("/teams", { token = dispatcher.token }))
    local electrical
    for _, team in ipairs(teams) do
      electrical = team.name == "Electrical" and team or electrical
    end
    local order = give_work("Sparks", { teamId = electrical.id })
    for _, who in ipairs({ technician, colleague }) do
      assert.equal(order.number .. " is your team's", told(who, order).title)
      local count = 0
      for _, notification in ipairs(list(who, "?type=workorder.assigned&limit=100")) do
        count = count + (notification.title:find(order.number, 1, true) and 1 or 0)
      end
      assert.equal(1, count)
    end
  end)
end)

describe("the list", function()
  it("has pages, filters and the number of unread ones", function()
    local order = give_work("One more", { userId = technician.user.id })
    local id = told(technician, order).id
    local all, meta = list(technician)
    assert.is_true(#all >= 3 and meta.unread >= 2 and meta.unread < 100)
    local first, page = list(technician, "?limit=1")
    assert.same({ 1, id, true }, { #first, first[1].id, page.hasMore })
    local second = list(technician, "?limit=1&cursor=" .. page.nextCursor)
    assert.equal(all[2].id, second[1].id)
    assert.equal(#all, select(2, list(technician, "?page=1&limit=100")).total)
    local read = ok(api:put(LIST .. "/" .. id .. "/read", { token = technician.token, json = {} }))
    assert.is_string(read.readAt)
    local again = ok(api:put(LIST .. "/" .. id .. "/read", { token = technician.token, json = {} }))
    assert.equal(read.readAt, again.readAt)
    assert.equal(meta.unread - 1, select(2, list(technician)).unread)
    assert.equal(id, list(technician, "?unread=false&limit=1")[1].id)
    assert.not_equal(id, list(technician, "?unread=true&limit=1")[1].id)
    assert.same({}, list(technician, "?type=nothing.such"))
    assert.same({ "sort" }, wrong_fields(api:get(LIST .. "?sort=title", { token = technician.token })))
    assert.same({ "color" }, wrong_fields(api:get(LIST .. "?color=red", { token = technician.token })))
    assert.equal(meta.unread - 1, ok(api:put(LIST .. "/read-all", { token = technician.token, json = {} })).read)
    assert.equal(0, ok(api:put(LIST .. "/read-all", { token = technician.token, json = {} })).read)
    assert.same({}, list(technician, "?unread=true"))
    ok(api:delete(LIST .. "/" .. id, { token = technician.token }))
    refused(404, "NOT_FOUND", api:delete(LIST .. "/" .. id, { token = technician.token }))
    assert.equal(#all - 1, #list(technician))
  end)

  it("is one's own", function()
    local id = list(technician)[1].id
    for _, who in ipairs({ colleague, stranger, dispatcher }) do
      refused(404, "NOT_FOUND", api:put(LIST .. "/" .. id .. "/read", { token = who.token, json = {} }))
      refused(404, "NOT_FOUND", api:delete(LIST .. "/" .. id, { token = who.token }))
    end
    refused(404, "NOT_FOUND", api:put(LIST .. "/" .. UNKNOWN .. "/read", { token = technician.token, json = {} }))
    refused(404, "NOT_FOUND", api:delete(LIST .. "/none", { token = technician.token }))
    refused(401, "UNAUTHORIZED", api:get(LIST))
    assert.equal(id, list(technician)[1].id)
  end)

  it("keeps to the tenant, and shows everywhere what is about the account", function()
    local both = ok(api:post("/auth/register", { json = { email = "both@x.example",
      password = "Fixxit-demo-2026", fullName = "Bo Both" } }))
    local riverton = dispatcher.user.tenant.id
    server:sql("INSERT INTO notifications (id, user_id, tenant_id, type, title, message) VALUES "
      .. "(UUID(), '" .. both.user.id .. "', '" .. riverton .. "', 't.a', 'In Riverton', ''), "
      .. "(UUID(), '" .. both.user.id .. "', NULL, 't.a', 'Account', '')")
    local seen = list({ token = both.accessToken })
    assert.same({ 1, "Account" }, { #seen, seen[1].title })
  end)
end)

describe("preferences", function()
  it("are empty until they are set", function()
    local all = { channels = { email = false, sms = true }, types = {
      ["workorder.assigned"] = { email = true } }, digest = "daily",
      quietHours = { start = "22:00", ["end"] = "06:30", timezone = "Europe/Rome" } }
    local read = api:get(PREFERENCES, { token = colleague.token })
    assert.same({ channels = {}, types = {}, quietHours = cjson.null, digest = "off" }, ok(read))
    assert.same(all, ok(api:put(PREFERENCES, { token = colleague.token, json = all })))
    assert.same(all, ok(api:get(PREFERENCES, { token = colleague.token })))
    refused(412, "PRECONDITION_FAILED", api:put(PREFERENCES, { token = colleague.token, json = {},
      headers = { ["if-match"] = read.headers.etag } }))
    ok(api:put(PREFERENCES, { token = colleague.token, json = { quietHours = cjson.null } }))
    assert.same({ channels = {}, types = {}, quietHours = cjson.null, digest = "off" },
      ok(api:get(PREFERENCES, { token = colleague.token })))
    assert.equal(2, tonumber(server:sql(
      "SELECT COUNT(*) FROM audit_logs WHERE action = 'notifications.preferences'")))
    refused(401, "UNAUTHORIZED", api:put(PREFERENCES, { json = {} }))
  end)

  it("tell all that is wrong at once", function()
    assert.same({ "channels.email", "digest", "quietHours.end", "quietHours.timezone",
      "types.workorder.assigned.fax" }, wrong_fields(api:put(PREFERENCES, { token = colleague.token, json = {
        channels = { email = "yes" }, digest = "yearly",
        quietHours = { start = "22:00", ["end"] = "24:30", timezone = "Europe/Atlantis" },
        types = { ["workorder.assigned"] = { fax = true } } } })))
    assert.same({ "types" }, wrong_fields(api:put(PREFERENCES, { token = colleague.token,
      json = { types = { ["Not A Type"] = {} } } })))
  end)

  it("decide by what one is told", function()
    server:sql("UPDATE users SET phone = '+44 117 496 0042' WHERE email = 'tech2@riverton.example'")
    ok(api:put(PREFERENCES, { token = colleague.token,
      json = { channels = { email = false, sms = true } } }))
    local order = give_work("By text message", { userId = colleague.user.id })
    told(colleague, order)
    local sms = wait_for("the text message", function()
      return mailbox.list(api, "+441174960042")[1]
    end)
    assert.same({ "sms", order.number .. " is yours: By text message" },
      { sms.channel, sms.text })
    for _, mail in ipairs(mailbox.list(api, "tech2@riverton.example")) do
      assert.is_nil(mail.subject:find(order.number, 1, true))
    end
  end)
end)
