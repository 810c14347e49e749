-- GET /events as a browser's EventSource sees it, over real sockets.
local event_stream = require("tests.support.event_stream")
local servers = require("tests.support.server")

-- The kernel asks a reader with no room ever less often whether there is some.
local AWAKE_S = 120
local TOGETHER = 10 -- less than what the queue takes of a reader who is only late

describe("a stream of events", function()
  local server, api, dispatcher, streams

  setup(function()
    server = servers.start({ env = { FIXXIT_WS_PING_MS = 1000, FIXXIT_SERVER_WORKERS = 2,
      FIXXIT_WS_QUEUE_MAX = 65536, FIXXIT_CORS_ORIGINS = "https://app.example",
      FIXXIT_LIMITS_ANONYMOUS_REPORT_PER_MINUTE = 100000 } })
    api = server.api
    dispatcher = api:login("dispatcher@riverton.example")
  end)

  teardown(function()
    server:stop()
  end)

  before_each(function()
    streams = {}
  end)

  after_each(function()
    for _, stream in ipairs(streams) do
      stream:close()
    end
  end)

  local function report(tenant, title, description)
    local answer = api:post("/reports", { tenant = tenant or "riverton", json = {
      title = title or "Broken lamp", description = description, category = "other",
      location = { description = "by the gate" } } })
    assert.equal(201, answer.status, answer.body)
    return answer.json.data
  end

  local function ask(query, headers)
    local stream = event_stream.open(server.port, query, headers)
    streams[#streams + 1] = stream
    return stream
  end

  -- A stream that is open, and the id of its first event.
  local function open(query, headers)
    local stream = ask(query, headers)
    assert.equal(200, stream.status, stream.rest)
    return stream, assert(stream:expect("welcome")).id
  end

  local function of(session, query)
    return open("token=" .. session.token .. (query or ""))
  end

  local function seq_of(id)
    return tonumber(id:match(":(%d+)$"))
  end

  -- The report's event; those of reports made before may come first.
  local function hears(stream, made)
    local event
    repeat
      event = assert(stream:expect("report:created"))
    until event.frame.data.id == made.id
    return event
  end

  it("brings the frames of the socket, named and numbered", function()
    local stream, first = open(nil, { Authorization = "Bearer " .. dispatcher.token })
    assert.equal("text/event-stream", stream.headers["content-type"])
    assert.equal("no-store", stream.headers["cache-control"])
    assert.equal("nosniff", stream.headers["x-content-type-options"])
    assert.truthy(stream.headers["x-request-id"])
    assert.truthy(stream.headers["ratelimit-limit"])
    local ok = stream:expect("auth:ok").frame
    assert.truthy(table.concat(ok.rooms, " "):find("_admin", 1, true))
    local made = report()
    local event = hears(stream, made)
    assert.equal("report:" .. made.id, event.frame.topic)
    assert.equal(event.frame.epoch .. ":" .. event.frame.seq, event.id)
    assert.equal(seq_of(first) + 1, event.frame.seq)
  end)

  it("is refused with a status before it begins", function()
    assert.equal(401, ask().status)
    assert.equal(401, ask("token=garbage").status)
    assert.equal(401, ask(nil, { Authorization = "Bearer garbage" }).status)
    assert.equal(403, ask("topic=track:AAAAAAAA").status)
    assert.equal(400, ask("token=" .. dispatcher.token .. "&topc=x").status)
    assert.equal(400, ask("topic=a" .. (",a"):rep(20)).status)
    assert.equal(403, ask("token=" .. dispatcher.token, { Origin = "https://evil.example" }).status)
    local citizen = api:login("citizen@riverton.example")
    local refused = ask("token=" .. citizen.token .. "&topic=report:" .. report().id)
    assert.equal(403, refused.status)
    assert.equal(404, ask("topic=track:AAAAAAAA&tenant=nowhere").status)
    local head = api:request("HEAD", "/events?token=" .. dispatcher.token, { root = true })
    assert.equal(200, head.status)
    assert.equal("text/event-stream", head.headers["content-type"])
  end)

  it("is readable for a page of a listed origin", function()
    local stream = open("token=" .. dispatcher.token, { Origin = "https://app.example" })
    assert.equal("https://app.example", stream.headers["access-control-allow-origin"])
  end)

  it("goes by rights: all, without contact, or nothing of another tenant", function()
    local admin = of(dispatcher)
    local member = of(api:login("tech1@riverton.example"))
    local stranger = of(api:login("dispatcher@northgrid.example"))
    local made = report()
    hears(admin, made)
    assert.is_nil(hears(member, made).frame.data.reporter)
    hears(stranger, report("northgrid"))
    assert.is_nil(admin:expect("report:created", 1))
  end)

  it("follows reports by their tracking codes without signing in", function()
    local one, two, other = report(), report(), report("northgrid")
    local stream = open("topic=track:" .. one.trackingCode .. "&topic=track:" .. two.trackingCode)
    assert.equal("track:" .. one.trackingCode, stream:expect("subscribed").frame.topic)
    assert.equal("track:" .. two.trackingCode, stream:expect("subscribed").frame.topic)
    for _, made in ipairs({ one, two }) do
      assert.equal(200, api:put("/reports/" .. made.id .. "/status",
        { token = dispatcher.token, json = { status = "acknowledged" } }).status)
      local event = stream:expect("report:updated")
      assert.equal(made.id, event.frame.data.id)
      assert.is_nil(event.frame.data.reporter)
    end
    local mixed = ask("topic=track:" .. one.trackingCode .. ",track:" .. other.trackingCode)
    assert.equal(400, mixed.status) -- the numbers of two tenants tell nothing together
  end)

  it("brings exactly what was missed, in order and once, wherever it broke", function()
    local stream, id = of(dispatcher)
    stream:close() -- before any event: the first id is enough
    local made, heard = {}, {}
    for round = 1, 6 do
      made[#made + 1] = report(nil, "Missed " .. round).id
      -- By header, as a browser does, with a stale id in the address; or by the address alone.
      local back = round % 2 == 0
        and open("token=" .. dispatcher.token .. "&lastEventId=" .. id)
        or open("token=" .. dispatcher.token .. "&lastEventId=stale:1", { ["Last-Event-ID"] = id })
      made[#made + 1] = report(nil, "Live " .. round).id
      while #heard < #made do
        local event = assert(back:expect("report:created"), "event " .. #heard + 1)
        heard[#heard + 1] = event.frame.data.id
        assert.equal(seq_of(id) + 1, seq_of(event.id))
        id = event.id
      end
      back:close()
    end
    assert.same(made, heard)
  end)

  it("goes on from the seq of a snapshot", function()
    local made = report()
    local snapshot = api:get("/realtime/snapshot?topic=report:" .. made.id,
      { token = dispatcher.token }).json.data
    assert.equal(200, api:put("/reports/" .. made.id .. "/status",
      { token = dispatcher.token, json = { status = "acknowledged" } }).status)
    local stream = of(dispatcher, "&topic=report:" .. made.id
      .. "&lastEventId=" .. snapshot.epoch .. ":" .. snapshot.seq)
    local event = stream:expect("report:updated")
    assert.equal("acknowledged", event.frame.data.status)
    assert.is_true(event.frame.seq > snapshot.seq)
  end)

  it("is told to read anew when what it missed cannot be told", function()
    for _, id in ipairs({ "nonsense", "other:1", "%3A" }) do
      local stream = of(dispatcher, "&lastEventId=" .. id)
      local resync = stream:expect("resync")
      assert.equal(resync.frame.epoch .. ":" .. resync.frame.seq, resync.id)
      local made = report()
      hears(stream, made)
    end
    local _, id = of(dispatcher)
    local ahead = id:gsub("%d+$", function(seq)
      return ("%d"):format(seq + 1000)
    end)
    assert.truthy(of(dispatcher, "&lastEventId=" .. ahead):expect("resync"))
  end)

  it("opens also for who acts in no tenant, and has no number there", function()
    local session = api:login("platform@fixxit.example")
    local stream, id = of(session)
    assert.is_nil(id)
    assert.truthy(stream:expect("auth:ok"))
    local back = of(session, "&lastEventId=any:1")
    assert.is_nil(assert(back:expect("resync")).id)
  end)

  it("keeps alive with comments", function()
    local stream = of(dispatcher)
    for _ = 1, 2 do
      local block
      repeat
        block = assert(stream:next(5))
      until block.comment
    end
  end)

  it("ends when its session does", function()
    local session = api:login("viewer@riverton.example")
    local stream = of(session)
    assert.truthy(stream:expect("auth:ok"))
    assert.equal(200, api:post("/auth/logout", { token = session.token, json = {} }).status)
    local refusal = stream:expect(nil, 5) -- without a name: a browser has an "error" of its own
    assert.equal("UNAUTHORIZED", refusal.frame.code)
    assert.is_true(stream:ends(5))
    assert.equal(401, ask("token=" .. session.token).status)
  end)

  it("outlives a reload and hears on", function()
    local stream = of(dispatcher)
    local code, output = server:command("reload")
    assert.equal(0, code, output)
    local made = report()
    hears(stream, made)
  end)

  it("is ended when nobody reads it, while nobody waits, and brings all of it once somebody does", function()
    local slow, id = of(dispatcher)
    local quick = of(dispatcher)
    slow:buffer(4096)
    local long, made, dropped = ("x"):rep(4900), {}, nil
    while not dropped or #made % 300 ~= 0 do -- and then some more, while it is away
      local known = #made
      for i = known + 1, known + TOGETHER do
        made[i] = report(nil, "Long " .. i, long).id
      end
      for i = known + 1, known + TOGETHER do
        hears(quick, { id = made[i] })
      end
      assert.is_true(#made < 3000)
      dropped = dropped or api:get("/metrics", { root = true }).body
        :match("\nfixxit_ws_dropped_total ([1-9]%d*)\n")
    end
    assert.equal("1", dropped)
    slow:buffer(1048576)
    assert.is_true(slow:ends(AWAKE_S))
    local back = open("token=" .. dispatcher.token .. "&lastEventId=" .. id)
    back:buffer(4096)
    servers.sleep(1) -- all that the kernel and the queue hold is less than what was missed
    back:buffer(1048576)
    made[#made + 1] = report().id
    for i = 1, #made do
      assert.equal(made[i], assert(back:expect("report:created"), "event " .. i).frame.data.id)
    end
  end)

  it("is asked back when the server stops", function()
    local stream = of(dispatcher)
    local stopping = servers.start()
    local session = stopping.api:login("dispatcher@riverton.example")
    local leaving = event_stream.open(stopping.port, "token=" .. session.token)
    assert.truthy(leaving:expect("auth:ok"))
    os.execute("kill -TERM " .. stopping:master())
    local block
    repeat
      block = leaving:next(10)
    until not block or block.retry
    assert.is_true(tonumber(block.retry) >= 500)
    assert.is_true(leaving:ends(10))
    leaving:close()
    stopping:stop()
    stream:close()
  end)
end)
