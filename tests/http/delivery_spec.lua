-- What real time promises beyond one frame: nothing missed, nothing twice, nobody waited for.
local cjson = require("cjson.safe")
local cqueues = require("cqueues")
local event_stream = require("tests.support.event_stream")
local raw_socket = require("tests.support.raw_socket")
local servers = require("tests.support.server")
local tokens = require("tests.support.tokens")
local zlib = require("tests.support.zlib")

local LONG = ("the lamp by the gate is broken; "):rep(150) -- makes an event of some 5 KB
local QUEUE_MAX = 65536
local BACKLOG = 600 -- of such events: more than the two hold together
local SLOW_EVENTS = 120 -- several times what the queue and the kernel hold for a slow reader
local SECRET = "development-secret-that-production-refuses" -- of config/test.lua
local ACCESS_TTL_S, GRACE_S = 10, 10
local FRAMES = 20 -- a minute
local IDLE = 3000
local IDLE_MAX_BYTES = 4096
local TIDY_S = 3 -- a process that has nothing to do looks once a second whether garbage is there

-- The next frame that is a message, as a table; or nil and the close code.
local function message(peer, timeout_s)
  while true do
    local frame = peer:frame(timeout_s)
    if not frame then
      return nil
    elseif frame.opcode == 8 then
      return nil, frame.code
    elseif frame.opcode == 1 then
      local text = frame.compressed and zlib.inflate(frame.payload) or frame.payload
      return assert(cjson.decode(text))
    end
  end
end

local function expect(peer, kind, timeout_s)
  local seen, code
  repeat
    seen, code = message(peer, timeout_s)
  until not seen or seen.type == kind
  return seen, code
end

-- The code that the server closes with, whatever it says before.
local function code_of_close(peer, timeout_s)
  local seen, code
  repeat
    seen, code = message(peer, timeout_s)
  until not seen
  return code
end

local function send(peer, text)
  if type(text) == "table" then
    text = cjson.encode(text)
  end
  local short = #text < 126 and string.char(128 + #text)
    or "\254" .. string.char(math.floor(#text / 256), #text % 256)
  peer:send("\129" .. short .. "\0\0\0\0" .. text)
end

describe("delivery", function()
  local server, api, dispatcher
  local local_path = os.tmpname() -- a Unix socket: the kernel buffers little there

  local function login(email)
    return api:login(email or "dispatcher@riverton.example")
  end

  setup(function()
    server = servers.start({ env = { FIXXIT_SERVER_WORKERS = 2,
      FIXXIT_WS_QUEUE_MAX = QUEUE_MAX, FIXXIT_LIMITS_SCALE = 1000,
      FIXXIT_HTTP_UNIX_SOCKET = local_path } })
    api = server.api
    dispatcher = login()
  end)

  teardown(function()
    server:stop()
    os.remove(local_path)
  end)

  local function report(fields)
    local body = { title = "Broken lamp", category = "other", location = { description = "gate" } }
    for name, value in pairs(fields or {}) do
      body[name] = value
    end
    local answer = api:post("/reports", { tenant = body.tenant or "riverton", json = body })
    assert.equal(201, answer.status, answer.body)
    return answer.json.data
  end

  local function open(query, where, extensions)
    local peer = raw_socket.open(where or server.port, {
      TARGET = "/ws" .. (query and "?" .. query or ""),
      ["Sec-WebSocket-Extensions"] = extensions,
    })
    assert.equal(101, peer.status)
    return peer
  end

  local function signed_in(who, query, where, extensions)
    local peer = open("token=" .. who.token .. (query or ""), where, extensions)
    return peer, assert(expect(peer, "auth:ok"))
  end

  -- A report, and its event as the peer hears it.
  local function announced(peer, fields)
    local made = report(fields)
    local event
    repeat
      event = assert(expect(peer, "event"))
    until event.data.id == made.id
    return made, event
  end

  local function snapshot(topic, who)
    return api:get("/realtime/snapshot?topic=" .. topic, { token = who and who.token })
  end

  it("closes a slow reader with 4408, who then gets exactly what it missed", function()
    local slow, quick = signed_in(dispatcher, nil, local_path), signed_in(dispatcher)
    local ids, first = {}, nil
    while #ids < SLOW_EVENTS do
      ids[#ids + 1] = report({ description = LONG }).id
      local event = assert(expect(quick, "event"))
      assert.equal(ids[#ids], event.data.id)
      first = first or event
    end
    local got, last = 0, nil
    local seen, code = message(slow)
    while seen do
      got, last = got + 1, seen
      assert.equal(ids[got], seen.data.id)
      seen, code = message(slow)
    end
    assert.equal(4408, code)
    assert.is_true(got < #ids)
    local back = signed_in(dispatcher, "&epoch=" .. last.epoch .. "&lastSeq=" .. last.seq)
    for i = got + 1, #ids do
      local event = assert(expect(back, "event"))
      assert.equal(ids[i], event.data.id)
      assert.equal(first.seq + i - 1, event.seq)
    end
    assert.equal(report().id, expect(back, "event").data.id)
    slow:close()
    quick:close()
    back:close()
  end)

  -- As when a worker had no connection to the database for a while: to a reader that rests between
  -- two events.
  local function gives_a_backlog(rest_s)
    local reader = signed_in(dispatcher, nil, local_path)
    local _, event = announced(reader, { description = LONG })
    server:sql(([[START TRANSACTION;
      INSERT INTO event_log (tenant_id, seq, event_id, event, resource_type, resource_id, actor,
          payload, occurred_at)
        SELECT l.tenant_id, l.seq + n.seq, UUID(), l.event, l.resource_type, l.resource_id, l.actor,
          l.payload, l.occurred_at
        FROM event_log l JOIN seq_1_to_%d n WHERE l.event_id = '%s' ORDER BY n.seq;
      UPDATE event_counters c JOIN event_log l ON l.tenant_id = c.tenant_id
        SET c.seq = l.seq + %d WHERE l.event_id = '%s';
      COMMIT]]):format(BACKLOG, event.id, BACKLOG, event.id))
    for i = 1, BACKLOG do
      local next_one, code = expect(reader, "event")
      assert(next_one, code)
      assert.equal(event.seq + i, next_one.seq)
      cqueues.sleep(rest_s)
    end
    reader:close()
  end

  it("gives a backlog as fast as it is read", function()
    gives_a_backlog(0)
  end)

  it("waits for who reads a backlog slowly, but steadily", function()
    gives_a_backlog(0.005)
  end)

  it("goes on from a point given in the address, as one word, or in a frame", function()
    local live = signed_in(dispatcher)
    local _, last = announced(live)
    local missed = { report().id, report().id }
    local function gets_what_it_missed(peer)
      for i, id in ipairs(missed) do
        local event = assert(expect(peer, "event"))
        assert.equal(id, event.data.id)
        assert.equal(last.seq + i, event.seq)
      end
      send(peer, { type = "ping" })
      assert.equal("pong", message(peer).type)
      peer:close()
    end
    gets_what_it_missed((signed_in(dispatcher, "&epoch=" .. last.epoch .. "&lastSeq=" .. last.seq)))
    gets_what_it_missed((signed_in(dispatcher, "&lastEventId=" .. last.epoch .. ":" .. last.seq)))
    local peer = signed_in(dispatcher)
    send(peer, { type = "resume", epoch = last.epoch, lastSeq = last.seq })
    gets_what_it_missed(peer)
    peer = open()
    send(peer, { type = "auth", token = dispatcher.token, epoch = last.epoch, lastSeq = last.seq })
    assert(expect(peer, "auth:ok"))
    gets_what_it_missed(peer)
    live:close()
  end)

  it("tells to read anew what is older than an hour, unknown or no number", function()
    local live = signed_in(dispatcher)
    local _, old = announced(live)
    local _, new = announced(live)
    server:sql(("UPDATE event_log SET recorded_at = recorded_at - INTERVAL 2 HOUR WHERE seq = %d")
      :format(new.seq))
    local point = "&epoch=" .. old.epoch .. "&lastSeq="
    for _, query in ipairs({ point .. old.seq, point .. new.seq + 1000, point .. "-1", point .. "1.5",
      point .. "x", "&lastSeq=" .. new.seq, "&lastEventId=" .. new.seq, "&lastEventId=:" }) do
      local peer = signed_in(dispatcher, query)
      assert.equal("resync", message(peer).type)
      peer:close()
    end
    local peer = signed_in(dispatcher, point .. new.seq) -- nothing is missing behind the old one
    assert.equal(report().id, expect(peer, "event").data.id)
    peer:close()
    live:close()
  end)

  it("brings an event once to whoever is in several of its rooms, as the richest of them", function()
    local technician = login("tech1@riverton.example")
    local admin, member = signed_in(dispatcher), signed_in(technician)
    local made, created = announced(admin, { reporter = { name = "Ida" } })
    assert.equal(created.id, expect(member, "event").id)
    local topic = "report:" .. made.id
    send(admin, { type = "subscribe", topic = topic })
    assert.equal(topic, expect(admin, "subscribed").topic)
    send(member, { type = "subscribe", topic = "track:" .. made.trackingCode })
    assert(expect(member, "subscribed"))
    assert.equal(200, api:put("/reports/" .. made.id .. "/status",
      { token = dispatcher.token, json = { status = "acknowledged" } }).status)
    local full, less = assert(expect(admin, "event")), assert(expect(member, "event"))
    assert.equal(full.seq, less.seq)
    assert.truthy(full.data.reporter and full.data.trackingCode)
    assert.is_nil(less.data.reporter or less.data.trackingCode)
    assert.truthy(less.data.version) -- which the followers of the report are not told
    for _, peer in ipairs({ admin, member }) do -- neither live nor when it is told again
      send(peer, { type = "resume", epoch = full.epoch, lastSeq = full.seq - 1 })
      assert.equal(full.id, message(peer).id)
      send(peer, { type = "ping" })
      assert.equal("pong", message(peer).type)
      peer:close()
    end
  end)

  it("tells a follower without an account what its report went through meanwhile, and no more", function()
    local live = signed_in(dispatcher)
    local made, created = announced(live)
    for _, status in ipairs({ "acknowledged", "rejected" }) do
      report()
      local answer = api:put("/reports/" .. made.id .. "/status",
        { token = dispatcher.token, json = { status = status, reason = "not ours" } })
      assert.equal(200, answer.status, answer.body)
    end
    announced(live) -- the worker has handed on what was before
    local peer = open()
    send(peer, { type = "resume", epoch = created.epoch, lastSeq = created.seq })
    assert.equal("UNAUTHORIZED", expect(peer, "error").code)
    send(peer, { type = "subscribe", topic = "track:" .. made.trackingCode })
    assert(expect(peer, "subscribed"))
    send(peer, { type = "resume", epoch = created.epoch, lastSeq = created.seq })
    local seq = created.seq
    for _, status in ipairs({ "acknowledged", "rejected" }) do
      local event = assert(message(peer))
      assert.equal(made.id, event.data.id)
      assert.equal(status, event.data.status)
      assert.is_nil(event.data.reporter or event.data.trackingCode)
      assert.is_true(event.seq > seq)
      seq = event.seq
    end
    send(peer, { type = "ping" })
    assert.equal("pong", message(peer).type)
    live:close()
    peer:close()
  end)

  it("lets no event cross to another tenant, live, by topic, by point or by snapshot", function()
    local stranger = login("dispatcher@northgrid.example")
    local near, far = signed_in(dispatcher), signed_in(stranger)
    local made, event = announced(near)
    for _, topic in ipairs({ "report:" .. made.id, "track:" .. made.trackingCode }) do
      send(far, { type = "subscribe", topic = topic })
      local refusal = message(far)
      assert.equal("FORBIDDEN", refusal.code)
      assert.equal(topic, refusal.topic)
      assert.equal(403, snapshot(topic, stranger).status)
    end
    send(far, { type = "resume", epoch = event.epoch, lastSeq = 0 })
    local own = report({ tenant = "northgrid" })
    local last
    repeat
      local told = assert(expect(far, "event"))
      assert.equal(stranger.user.tenant.id, told.data.tenantId or stranger.user.tenant.id)
      assert.not_equal(made.id, told.data.id)
      last = told.data.id
    until last == own.id
    send(near, { type = "ping" })
    assert.equal("pong", message(near).type)
    near:close()
    far:close()
  end)

  it("reads a topic's state and the point to go on from in one call", function()
    local live = signed_in(dispatcher)
    local made = announced(live, { reporter = { name = "Ida" } })
    local _, latest = announced(live)
    local answer = snapshot("report:" .. made.id, dispatcher)
    assert.equal(200, answer.status, answer.body)
    local state = answer.json.data
    assert.equal("report:" .. made.id, state.topic)
    assert.equal("submitted", state.data.status)
    assert.equal("Ida", state.data.reporter.name)
    assert.equal(latest.epoch, state.epoch)
    assert.equal(latest.seq, state.seq)
    assert.equal(200, api:put("/reports/" .. made.id .. "/status",
      { token = dispatcher.token, json = { status = "acknowledged" } }).status)
    local peer = signed_in(dispatcher, "&epoch=" .. state.epoch .. "&lastSeq=" .. state.seq)
    local event = assert(expect(peer, "event"))
    assert.equal("acknowledged", event.data.status)
    assert.equal(state.seq + 1, event.seq)

    local followed = snapshot("track:" .. made.trackingCode)
    assert.equal(200, followed.status, followed.body)
    assert.equal("acknowledged", followed.json.data.data.status)
    assert.is_nil(followed.json.data.data.reporter)
    assert.is_true(followed.json.data.seq > state.seq)
    assert.equal(403, snapshot("report:" .. made.id).status)
    assert.equal(403, snapshot("track:ABCDEFGH").status)
    assert.equal(403, snapshot("weather:today", dispatcher).status)
    assert.equal(400, snapshot("").status)
    live:close()
    peer:close()
  end)

  it("keeps the sockets whose rights are as they were, also over a reload, and closes the others", function()
    local owner, viewer = login("owner@riverton.example"), login("viewer@riverton.example")
    local staying = { signed_in(owner), signed_in(viewer), (signed_in(login())) }
    local function all_stay()
      for _, peer in ipairs(staying) do
        send(peer, { type = "ping" })
        assert.truthy(expect(peer, "pong"))
      end
    end
    local function by_owner(method, path, json)
      local answer = api:request(method, path, { token = owner.token, json = json })
      assert.is_true(answer.status < 300, answer.body)
      return answer.json and answer.json.data
    end
    local role = by_owner("POST", "/roles", { name = "scout", permissions = { "reports.read" } })
    by_owner("POST", "/api-keys", { name = "one", scopes = { "reports.read" } })
    servers.sleep(0.6)
    all_stay()
    assert.equal(0, (server:command("reload")))
    servers.sleep(0.6)
    all_stay()
    local viewer_path = "/admin/users/" .. viewer.user.id .. "/role"
    by_owner("PUT", viewer_path, { role = role.name })
    local changed = table.remove(staying, 2)
    assert.equal(1012, code_of_close(changed))
    changed:close()
    all_stay()
    by_owner("PUT", viewer_path, { role = "viewer" })
    by_owner("DELETE", "/roles/" .. role.id)
    for _, peer in ipairs(staying) do
      peer:close()
    end
  end)

  it("closes every socket of an ended session within a second, in every worker", function()
    local session = login("viewer@riverton.example")
    local other = login("viewer@riverton.example")
    local peers, spared = {}, signed_in(other)
    for i = 1, 12 do
      peers[i] = signed_in(session)
    end
    assert.equal(200, api:post("/auth/logout", { token = session.token, json = {} }).status)
    local started = cqueues.monotime()
    for _, peer in ipairs(peers) do
      assert.equal(4401, code_of_close(peer))
      peer:close()
    end
    assert.is_true(cqueues.monotime() - started < 1)
    send(spared, { type = "ping" })
    assert.equal("pong", message(spared).type)
    spared:close()
  end)

  it("compresses what is worth it, for each in the window that was agreed upon", function()
    local offers = { [false] = 0, ["permessage-deflate"] = 15,
      ["permessage-deflate; server_max_window_bits=9"] = 9 }
    local peers = {}
    for offer, bits in pairs(offers) do
      local peer = signed_in(dispatcher, nil, nil, offer)
      peers[peer] = bits
    end
    local made = report({ description = LONG })
    for peer, bits in pairs(peers) do
      local frame = assert(peer:frame())
      assert.equal(bits > 0, frame.compressed)
      local text = bits > 0 and zlib.inflate(frame.payload, bits) or frame.payload
      assert.equal(bits > 0, #frame.payload < #text)
      local event = cjson.decode(text)
      assert.equal(made.id, event.data.id)
      assert.equal(LONG:gsub("%s+$", ""), (event.data.description:gsub("%s+$", "")))
      peer:close()
    end
  end)

  it("keeps a compressed connection as it is when the server is reloaded", function()
    local peer = signed_in(dispatcher, nil, nil, "permessage-deflate")
    local code, output = server:command("reload")
    assert.equal(0, code, output)
    local made = report({ description = LONG })
    local frame = assert(peer:frame())
    assert.is_true(frame.compressed)
    assert.equal(made.id, cjson.decode(zlib.inflate(frame.payload)).data.id)
    send(peer, { type = "ping" })
    assert.equal("pong", message(peer).type)
    peer:close()
  end)

  it("does not swell up with a small message that inflates without end", function()
    local peer = open(nil, nil, "permessage-deflate")
    local bomb = zlib.deflate(("\0"):rep(3 * 1024 * 1024))
    assert.is_true(#bomb < 65536)
    peer:send("\193\254" .. string.char(math.floor(#bomb / 256), #bomb % 256) .. "\0\0\0\0" .. bomb)
    assert.equal(1009, code_of_close(peer))
    peer:close()
  end)
end)

describe("a signed-in socket", function()
  local server, api

  setup(function()
    server = servers.start({ env = { FIXXIT_SERVER_WORKERS = 1, FIXXIT_LIMITS_SCALE = 1,
      FIXXIT_LIMITS_FRAME_PER_MINUTE = FRAMES,
      FIXXIT_AUTH_ACCESS_TTL_S = ACCESS_TTL_S, FIXXIT_WS_DEFLATE = "false" } })
    api = server.api
  end)

  teardown(function()
    server:stop()
  end)

  local function open(token)
    return raw_socket.open(server.port, { TARGET = "/ws?token=" .. token })
  end

  local function resident_kb(pid)
    servers.sleep(TIDY_S)
    return tonumber(servers.read_file("/proc/" .. pid .. "/status"):match("VmRSS:%s+(%d+) kB"))
  end

  -- The same session's, with more time: opening so many sockets takes some.
  local function lasting(token)
    local header, claims = tokens.read(token)
    claims.exp = claims.exp + 3600
    return tokens.sign(header, claims, header.alg, SECRET)
  end

  it("costs little while nothing happens", function()
    local token = lasting(api:login("dispatcher@riverton.example").token)
    local pid = server:pids("http")[1]
    local peers = {}
    local function add(count)
      for _ = 1, count do
        local peer = open(token)
        assert(expect(peer, "auth:ok"))
        peers[#peers + 1] = peer
      end
    end
    raw_socket.raise_file_limit()
    add(200) -- what is made once is made now
    local before = resident_kb(pid)
    add(IDLE)
    local each = (resident_kb(pid) - before) * 1024 / IDLE
    for _, peer in ipairs(peers) do
      peer:close()
    end
    local sanitized = servers.read_file("/proc/" .. pid .. "/maps"):find("libasan", 1, true)
    assert.truthy(sanitized or each <= IDLE_MAX_BYTES, ("%d bytes each"):format(each))
  end)

  it("is not compressed where that is turned off", function()
    local peer = raw_socket.open(server.port, { ["Sec-WebSocket-Extensions"] = "permessage-deflate" })
    assert.equal(101, peer.status)
    assert.is_nil(peer.headers["sec-websocket-extensions"])
    peer:close()
  end)

  it("is told when its token expires, and goes on with a new one or is closed", function()
    local session = api:login("dispatcher@riverton.example")
    local stays, goes = open(session.token), open(session.token)
    local stream = event_stream.open(server.port, "token=" .. session.token)
    local id = stream:expect("welcome").id
    assert.equal("auth:ok", expect(stays, "auth:ok").type)
    assert(expect(goes, "auth:ok"))
    assert(expect(stays, "auth:expired", ACCESS_TTL_S + 2))
    assert(expect(goes, "auth:expired"))
    assert.truthy(stream:expect("auth:expired"))
    local told = cqueues.monotime()
    local fresh = api:post("/auth/refresh", { json = { refreshToken = session.refreshToken } })
    assert.equal(200, fresh.status, fresh.body)
    send(stays, { type = "auth", token = fresh.json.data.accessToken })
    assert(expect(stays, "auth:ok"))
    local next_one = event_stream.open(server.port, "token=" .. fresh.json.data.accessToken
      .. "&lastEventId=" .. id) -- a stream goes on as another one
    assert.truthy(next_one:expect("auth:ok"))
    next_one:close()
    assert.equal(4401, code_of_close(goes, GRACE_S + 2))
    assert.is_true(cqueues.monotime() - told > GRACE_S - 2)
    assert.is_true(stream:ends(GRACE_S + 2))
    send(stays, { type = "ping" })
    assert.truthy(expect(stays, "pong"))
    stays:close()
    goes:close()
  end)

  it("may not ask more by frames than its address may, and hears so", function()
    local peer, codes = raw_socket.open(server.port), {}
    for i = 1, FRAMES * 2 do
      send(peer, { type = "subscribe", topic = "track:" .. i })
      local refusal = assert(expect(peer, "error"))
      assert.equal("track:" .. i, refusal.topic)
      codes[refusal.code] = (codes[refusal.code] or 0) + 1
    end
    assert.is_true(codes.FORBIDDEN <= FRAMES and codes.RATE_LIMITED >= FRAMES)
    send(peer, { type = "ping" })
    assert.truthy(expect(peer, "pong"))
    peer:close()
  end)
end)
