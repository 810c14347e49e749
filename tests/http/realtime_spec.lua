-- The protocol of /ws as a client sees it.
local servers = require("tests.support.server")

describe("a socket", function()
  local server, api, dispatcher, technician

  setup(function()
    server = servers.start()
    api = server.api
    dispatcher = api:login("dispatcher@riverton.example")
    technician = api:login("tech1@riverton.example")
  end)

  teardown(function()
    server:stop()
  end)

  local function report(tenant)
    local answer = api:post("/reports", { tenant = tenant or "riverton", json = {
      title = "Broken lamp", category = "other", location = { description = "by the gate" } } })
    assert.equal(201, answer.status, answer.body)
    return answer.json.data
  end

  local function signed_in(who, query)
    local socket = api:socket("token=" .. who.token .. (query or ""))
    return socket, assert(socket:expect("auth:ok"))
  end

  it("is welcomed, and told what it hears when it signs in by its first frame", function()
    local socket = api:socket()
    local welcome = socket:receive()
    assert.equal("welcome", welcome.type)
    assert.truthy(welcome.connectionId and welcome.epoch)
    socket:send({ type = "auth", token = dispatcher.token })
    local ok = socket:expect("auth:ok")
    local tenant_id = dispatcher.user.tenant.id
    local rooms = table.concat(ok.rooms, " ")
    assert.truthy(rooms:find("tenant_" .. tenant_id .. "_admin", 1, true))
    assert.truthy(rooms:find("user_" .. dispatcher.user.id .. "_notifications", 1, true))
    assert.matches("^%d%d%d%d%-", ok.expiresAt)
    socket:send({ type = "ping" })
    assert.truthy(socket:expect("pong"))
    socket:close()
  end)

  it("is refused with 4401 for a bad token and for silence", function()
    local socket = api:socket("token=garbage")
    assert.equal("UNAUTHORIZED", socket:expect("error").code)
    assert.equal(4401, select(2, socket:receive()))
    socket = api:socket()
    assert.equal("UNAUTHORIZED", socket:expect("error", 8).code)
    assert.equal(4401, select(2, socket:receive(2)))
  end)

  it("is closed within a second when its session ends", function()
    local session = api:login("viewer@riverton.example")
    local socket = signed_in(session)
    assert.equal(200, api:post("/auth/logout", { token = session.token, json = {} }).status)
    assert.truthy(socket:expect("error", 2))
    assert.equal(4401, select(2, socket:receive(2)))
  end)

  it("hears what its role allows: all, without contact, or nothing of another tenant", function()
    local admin, member = signed_in(dispatcher), signed_in(technician)
    local stranger = signed_in(api:login("dispatcher@northgrid.example"))
    local made = report()
    local full = admin:expect_event("report:created", 3)
    assert.equal(made.id, full.data.id)
    assert.equal("report:" .. made.id, full.topic)
    local less = member:expect_event("report:created", 3)
    assert.equal(full.id, less.id)
    assert.equal(full.seq, less.seq)
    assert.is_nil(less.data.reporter)
    assert.is_nil(stranger:expect_event("report:created", 1))
    admin:close()
    member:close()
    stranger:close()
  end)

  it("follows a report by its tracking code without signing in", function()
    local made = report()
    local socket = api:socket()
    socket:send({ type = "subscribe", topic = "track:" .. made.trackingCode })
    assert.equal("track:" .. made.trackingCode, socket:expect("subscribed").topic)
    assert.equal(200, api:put("/reports/" .. made.id .. "/status",
      { token = dispatcher.token, json = { status = "acknowledged" } }).status)
    local event = socket:expect_event("report:updated", 3)
    assert.equal(made.id, event.data.id)
    assert.is_nil(event.data.reporter)
    socket:send({ type = "subscribe", topic = "report:" .. made.id })
    local refusal = socket:expect("error")
    assert.equal("FORBIDDEN", refusal.code)
    assert.equal("report:" .. made.id, refusal.topic)
    socket:close()
  end)

  it("gets exactly what it missed, in order and once, or is told to read anew", function()
    local socket = signed_in(dispatcher)
    report()
    local last = socket:expect_event("report:created", 3)
    socket:close()
    local missed = { report().id, report().id, report().id }
    local back = signed_in(dispatcher, "&epoch=" .. last.epoch .. "&lastSeq=" .. last.seq)
    for i, id in ipairs(missed) do
      local event = back:expect_event("report:created", 3)
      assert.equal(id, event.data.id)
      assert.equal(last.seq + i, event.seq)
    end
    local live = report()
    assert.equal(live.id, back:expect_event("report:created", 3).data.id)
    back:close()
    local other = signed_in(dispatcher, "&epoch=another&lastSeq=1")
    assert.truthy(other:expect("resync"))
    assert.equal(report().id, other:expect_event("report:created", 3).data.id)
    other:send({ type = "resume", epoch = last.epoch, lastSeq = last.seq + 1000 })
    assert.truthy(other:expect("resync"))
    for _, seq in ipairs({ -1, 1.5, 1e300, "1", true, {} }) do
      other:send({ type = "resume", epoch = last.epoch, lastSeq = seq })
      assert.truthy(other:expect("resync"))
    end
    other:close()
    local lost = signed_in(dispatcher, "&lastEventId=nonsense")
    assert.truthy(lost:expect("resync"))
    lost:close()
  end)

  it("hears what is given to its team, and nothing of other teams", function()
    local team
    for _, each in ipairs(api:get("/teams", { token = dispatcher.token }).json.data) do
      if #each.members == 1 and each.members[1].id ~= technician.user.id then
        team = each
      end
    end
    local members = signed_in(api:login("tech2@riverton.example"))
    local others = signed_in(technician)
    local order = api:post("/workorders", { token = dispatcher.token,
      json = { title = "Fill the hole" } }).json.data
    assert.equal(200, api:put("/workorders/" .. order.id .. "/assign", { token = dispatcher.token,
      json = { teamId = assert(team, "a team of tech2 alone").id } }).status)
    assert.equal(order.id, members:expect_event("workorder:assigned", 3).data.id)
    assert.is_nil(others:expect_event("workorder:assigned", 1))
    members:close()
    others:close()
  end)

  it("may not hear what it may not see, by whatever name", function()
    local made = report()
    local socket = signed_in(api:login("citizen@riverton.example"))
    local tenant_id = dispatcher.user.tenant.id
    for _, topic in ipairs({ "report:" .. made.id, "report:" .. made.id:upper(), "report:",
      "report:\240\159\152\128", "track:AAAAAAAA", "tenant_" .. tenant_id .. "_admin",
      "tenant:" .. tenant_id, "user:" .. dispatcher.user.id, "!session:x" }) do
      socket:send({ type = "subscribe", topic = topic })
      local refusal = socket:expect("error")
      assert.equal("FORBIDDEN", refusal.code)
      assert.equal(topic, refusal.topic)
    end
    socket:close()
    local reader = signed_in(api:login("viewer@riverton.example"))
    reader:send({ type = "subscribe", topic = "report:" .. made.id:upper() })
    assert.truthy(reader:expect("subscribed"))
    assert.equal(200, api:put("/reports/" .. made.id .. "/status",
      { token = dispatcher.token, json = { status = "acknowledged" } }).status)
    assert.equal(made.id, reader:expect_event("report:updated", 3).data.id)
    reader:close()
  end)

  it("becomes who signs in last, and hears as nobody else", function()
    local made = report()
    local socket = signed_in(dispatcher)
    socket:send({ type = "subscribe", topic = "report:" .. made.id })
    assert.truthy(socket:expect("subscribed"))
    socket:send({ type = "auth", token = api:login("dispatcher@northgrid.example").token })
    assert.truthy(socket:expect("auth:ok"))
    report()
    api:put("/reports/" .. made.id .. "/status",
      { token = dispatcher.token, json = { status = "acknowledged" } })
    assert.is_nil(socket:expect("event", 1))
    local theirs = report("northgrid")
    assert.equal(theirs.id, socket:expect_event("report:created", 3).data.id)
    socket:close()
  end)

  it("is told of frames that mean nothing, and closed when they go on", function()
    local socket = signed_in(dispatcher)
    for _, text in ipairs({ "no json", "[]", '{"type":"dance"}', '{"type":"subscribe"}', "7" }) do
      socket:send(text)
      assert.equal("INVALID_MESSAGE", socket:expect("error").code)
    end
    assert.equal(1008, select(2, socket:receive(2)))
  end)

  it("is not opened for a page of another origin, nor without a handshake", function()
    local headers = { upgrade = "websocket", connection = "Upgrade",
      ["sec-websocket-key"] = "dGhlIHNhbXBsZSBub25jZQ==", ["sec-websocket-version"] = "13",
      origin = "https://evil.example" }
    assert.equal(403, api:get("/ws", { root = true, headers = headers }).status)
    assert.equal(426, api:get("/ws", { root = true }).status)
  end)
end)
