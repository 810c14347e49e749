-- Every limit of what a client may send: one below it, at it and one above it, with the value that
-- the specification names and with another that is configured. What going over them costs:
-- tests/full/memory_spec.lua.
local cjson = require("cjson")
local cqueues = require("cqueues")
local corpus = require("tests.conformance.websocket")
local pictures = require("tests.support.pictures")
local raw_http = require("tests.support.raw_http")
local raw_socket = require("tests.support.raw_socket")
local probes = require("tests.support.probe")
local servers = require("tests.support.server")

local JSON = { ["content-type"] = "application/json" }

local function report(fields)
  local body = { title = "Broken lamp", category = "street_light",
    location = { latitude = 51.45, longitude = -2.59 } }
  for name, value in pairs(fields or {}) do
    body[name] = value
  end
  return body
end

local function head(...)
  return table.concat({ ... }, "\r\n") .. "\r\n\r\n"
end

-- Sends bytes on a connection of their own.
local function raw(server, bytes)
  local peer = raw_http.connect(server.port, 20)
  peer:send(bytes)
  local answer = assert(peer:answer(), "no answer")
  peer:close()
  answer.json = answer.body ~= "" and cjson.decode(answer.body) or nil
  return answer
end

local function login(server, body, ...)
  return raw(server, head("POST /api/v1/auth/login HTTP/1.1", "Host: x",
    "Content-Type: application/json", ...) .. body)
end

-- JSON of that many bytes, which signs nobody in.
local function json_of(bytes)
  return '{"email":"' .. ("x"):rep(bytes - 12) .. '"}'
end

local function post_form(server, parts)
  return server.api:post("/reports", { tenant = "riverton", multipart = parts })
end

local function photo(name)
  return { "photos", pictures.jpeg(32, 32), filename = name or "a.jpg", type = "image/jpeg" }
end

local DATA = { "data", cjson.encode(report()) }

local picture
-- A picture of that many bytes: what follows the end of a JPEG is nobody's business.
local function picture_of(bytes)
  picture = picture or pictures.jpeg(32, 32)
  return picture .. ("\0"):rep(bytes - #picture)
end

local function form(body, boundary)
  return { tenant = "riverton", body = body,
    headers = { ["content-type"] = "multipart/form-data; boundary=" .. boundary } }
end

-- Sends messages, and returns the last answer: its close code, or its own code or type.
local function ws_messages(server, payloads)
  local peer = raw_socket.open(server.port)
  assert(peer:frame().payload:find("welcome"))
  local frame
  for _, payload in ipairs(payloads) do
    peer:send(corpus.frame(0x81, payload))
    repeat -- an event of what is followed already may come first
      frame = assert(peer:frame(), "no answer")
    until not frame.payload:find('"type":"event"', 1, true)
  end
  peer:close()
  local message = not frame.code and cjson.decode(frame.payload) or {}
  return { status = frame.code or 101,
    json = { error = { code = frame.code or message.code or message.type } } }
end

-- Makes so many reports, and follows them all on one connection.
local tracked = {}
local function follow(server, n)
  for i = #tracked + 1, n do
    local answer = server.api:post("/reports", { tenant = "riverton", json = report() })
    tracked[i] = '{"type":"subscribe","topic":"track:' .. answer.json.data.trackingCode .. '"}'
  end
  return ws_messages(server, { unpack(tracked, 1, n) })
end

-- What a case may look like:
--   key: the setting; `default` is what it must be when nothing is set, `other` a value to
--     configure. Without a key the limit is fixed and only `default` counts.
--   send(server, n): asks with n of what is limited, and returns the answer.
--   within, beyond: status and code of the answer up to the limit and above it.
local INVALID, TAKEN = { 400, "VALIDATION_ERROR" }, { 201 }
local CASES = {
  { what = "bytes of a head", key = "http.max_header_bytes", default = 16384, other = 2048,
    within = { 200 }, beyond = { 431, "HEADERS_TOO_LARGE" },
    send = function(server, n)
      return raw(server, "GET /health HTTP/1.1\r\nHost: x\r\nX: "
        .. ("v"):rep(n - #"Host: x\r\nX: \r\n\r\n") .. "\r\n\r\n")
    end },
  { what = "headers", key = "http.max_headers", default = 100, other = 20,
    within = { 200 }, beyond = { 431, "HEADERS_TOO_LARGE" },
    send = function(server, n)
      return raw(server, "GET /health HTTP/1.1\r\nHost: x\r\n" .. ("A: b\r\n"):rep(n - 1) .. "\r\n")
    end },
  { what = "bytes of a URL", key = "http.max_url_bytes", default = 8192, other = 1000,
    within = { 200 }, beyond = { 414, "URI_TOO_LONG" },
    send = function(server, n)
      return raw(server, head("GET /health?" .. ("a"):rep(n - 8) .. " HTTP/1.1", "Host: x"))
    end },
  { what = "bytes of a JSON body", key = "http.max_body_bytes", default = 1048576, other = 5000,
    within = INVALID, beyond = { 413, "PAYLOAD_TOO_LARGE" },
    send = function(server, n)
      return login(server, json_of(n), "Content-Length: " .. n)
    end },
  { what = "bytes of a JSON body in chunks", key = "http.max_body_bytes", default = 1048576,
    other = 5000, within = INVALID, beyond = { 413, "PAYLOAD_TOO_LARGE" },
    send = function(server, n)
      return login(server, ("%x\r\n%s\r\n0\r\n\r\n"):format(n, json_of(n)),
        "Transfer-Encoding: chunked")
    end },
  { what = "levels of JSON", key = "http.max_json_depth", default = 32, other = 20,
    within = INVALID, beyond = { 400, "INVALID_JSON" },
    send = function(server, n)
      local answer = server.api:post("/auth/login", { headers = JSON,
        body = '{"email":' .. ("["):rep(n - 1) .. ("]"):rep(n - 1) .. "}" })
      local detail = answer.json.error.details[1]
      assert(answer.json.error.code ~= "INVALID_JSON" or detail.offset == #'{"email":' + n - 2)
      return answer
    end },
  { what = "parameters of a query", key = "http.max_query_parameters", default = 100, other = 7,
    within = INVALID, beyond = { 400, "BAD_REQUEST" },
    send = function(server, n)
      return server.api:get("/reports/categories?" .. ("a=b&"):rep(n), { tenant = "riverton" })
    end },
  { what = "texts of a form", key = "http.max_form_fields", default = 100, other = 5,
    within = TAKEN, beyond = INVALID,
    send = function(server, n)
      local parts = { DATA }
      for i = 2, n do
        parts[i] = { "unknown" .. i, "x" }
      end
      return post_form(server, parts)
    end },
  { what = "bytes of a form's texts together", key = "http.max_body_bytes", default = 1048576,
    other = 5000, within = TAKEN, beyond = { 413, "PAYLOAD_TOO_LARGE" },
    send = function(server, n)
      local rest = n - #DATA[2]
      local half = math.floor(rest / 2)
      return post_form(server, { DATA, { "a", ("x"):rep(half) }, { "b", ("x"):rep(rest - half) } })
    end },
  { what = "bytes of a file", key = "files.max_bytes", default = 10485760, other = 20000,
    within = TAKEN, beyond = { 413, "PAYLOAD_TOO_LARGE" },
    send = function(server, n)
      return post_form(server, { DATA, { "photos", picture_of(n), filename = "a.jpg" } })
    end },
  { what = "pictures of a report", key = "files.report_photos", default = 3, other = 5,
    within = TAKEN, beyond = INVALID,
    send = function(server, n)
      local parts = { DATA }
      for i = 1, n do
        parts[i + 1] = photo(i .. ".jpg")
      end
      return post_form(server, parts)
    end },
  { what = "bytes of a message on a socket", key = "ws.max_message", default = 1048576,
    other = 2000, within = { 101, "pong" }, beyond = { 1009, 1009 },
    send = function(server, n)
      return ws_messages(server, { '{"type":"ping"}' .. (" "):rep(n - 15) })
    end },
  { what = "levels of a message on a socket", default = 16, within = { 101, "pong" },
    beyond = { 101, "INVALID_MESSAGE" },
    send = function(server, n)
      return ws_messages(server, { '{"type":"ping","x":' .. ("["):rep(n - 1) .. ("]"):rep(n - 1) .. "}" })
    end },
  { what = "bytes of a topic", default = 200, within = { 101, "FORBIDDEN" },
    beyond = { 101, "INVALID_MESSAGE" },
    send = function(server, n)
      return ws_messages(server, { '{"type":"subscribe","topic":"' .. ("x"):rep(n) .. '"}' })
    end },
  { what = "topics of a socket", default = 100, within = { 101, "subscribed" },
    beyond = { 101, "TOO_MANY" }, send = follow },
  { what = "characters of an Idempotency-Key", default = 255, within = TAKEN, beyond = INVALID,
    send = function(server, n)
      return server.api:post("/reports", { tenant = "riverton", json = report(),
        headers = { ["idempotency-key"] = ("k"):rep(n) } })
    end },
  { what = "entries of a list", default = 100, within = { 200 }, beyond = INVALID,
    send = function(server, n)
      return server.api:get("/reports?limit=" .. n, { token = server.token })
    end },
  { what = "pages of a list", default = 100000, within = { 200 }, beyond = INVALID,
    send = function(server, n)
      return server.api:get("/reports?page=" .. n, { token = server.token })
    end },
  { what = "characters of a title", default = 200, within = TAKEN, beyond = INVALID,
    send = function(server, n)
      return server.api:post("/reports", { tenant = "riverton",
        json = report({ title = ("\195\164"):rep(n) }) })
    end },
  { what = "bytes of a report's metadata", default = 16384, within = TAKEN, beyond = INVALID,
    send = function(server, n)
      return server.api:post("/reports", { tenant = "riverton",
        json = report({ metadata = { a = ("x"):rep(n - #'{"a":""}') } }) })
    end },
  { what = "characters of a boundary", default = 70, within = TAKEN,
    beyond = { 400, "BAD_REQUEST" },
    send = function(server, n)
      local boundary = ("b"):rep(n)
      return server.api:post("/reports", form(("--%s\r\nContent-Disposition: form-data; "
        .. 'name="data"\r\n\r\n%s\r\n--%s--\r\n'):format(boundary, DATA[2], boundary), boundary))
    end },
  { what = "bytes of a part's headers", default = 8192, within = TAKEN,
    beyond = { 400, "BAD_REQUEST" },
    send = function(server, n)
      local lines = 'Content-Disposition: form-data; name="data"\r\nX: '
      return server.api:post("/reports", form("--b\r\n" .. lines
        .. ("x"):rep(n - #lines - 4) .. "\r\n\r\n" .. DATA[2] .. "\r\n--b--\r\n", "b"))
    end },
}

local function setting(key)
  return "FIXXIT_" .. key:upper():gsub("%.", "_")
end

local function check(case, server, bound)
  for n = bound - 1, bound + 1 do
    local wanted = n > bound and case.beyond or case.within
    local answer = case.send(server, n)
    local what = ("%d of %s: %s"):format(n, case.what, answer.body or "")
    assert.equal(wanted[1], answer.status, what)
    if wanted[2] then
      assert.equal(wanted[2], answer.json.error.code, what)
    end
  end
end

local function start(env)
  local server = servers.start({ env = env })
  server.token = server.api:login("dispatcher@riverton.example").token
  return server
end

describe("the limits", function()
  local server

  teardown(function()
    server:stop()
  end)

  describe("of the specification", function()
    setup(function()
      server = start()
    end)

    for _, case in ipairs(CASES) do
      it(("at, below and above: %d %s"):format(case.default, case.what), function()
        check(case, server, case.default)
      end)
    end

    it("keep a request's id of 100 characters, and replace a longer one", function()
      for n = 99, 101 do
        local id = ("a"):rep(n)
        local answer = server.api:get("/health", { headers = { ["x-request-id"] = id } })
        assert.equal(n <= 100, answer.headers["x-request-id"] == id)
      end
    end)

    it("end a socket with the fifth frame that is none of ours", function()
      local peer = raw_socket.open(server.port)
      assert(peer:frame().payload:find("welcome"))
      peer:send(corpus.frame(0x81, "no JSON"):rep(5))
      for _ = 1, 4 do
        assert.equal(1, peer:frame().opcode)
      end
      local last
      repeat
        last = peer:frame()
      until not last or last.code
      assert.equal(1008, last and last.code)
      peer:close()
      server:stop()
    end)
  end)

  describe("that are configured otherwise", function()
    setup(function()
      local env = {}
      for _, case in ipairs(CASES) do
        if case.key then
          env[setting(case.key)] = case.other
        end
      end
      server = start(env)
    end)

    for _, case in ipairs(CASES) do
      if case.key then
        it(("at, below and above: %d %s"):format(case.other, case.what), function()
          check(case, server, case.other)
        end)
      end
    end
  end)
end)

describe("the limits of time and number", function()
  local PIECE, BOUND_MS = "GET /health HTTP/1.1\r\nHost: x\r\n", 1500
  local server, probe

  setup(function()
    probe = probes.new([[
      { method = "GET", path = "/probe/slow", summary = "Slow.", permission = "public",
        tenant = false, handler = function()
          require("core.errors").check(require("core.task").sleep(60000))
          return reply.ok(1)
        end },
    ]])
    server = start({ FIXXIT_ROOT = probe.root, FIXXIT_SERVER_WORKERS = 1,
      FIXXIT_HTTP_HEADER_TIMEOUT_MS = BOUND_MS, FIXXIT_HTTP_KEEPALIVE_TIMEOUT_MS = BOUND_MS,
      FIXXIT_HTTP_BODY_IDLE_MS = BOUND_MS, FIXXIT_HTTP_REQUEST_TIMEOUT_MS = BOUND_MS,
      FIXXIT_HTTP_BODY_TIMEOUT_MS = 2 * BOUND_MS, FIXXIT_HTTP_MAX_CONNECTIONS = 30 })
  end)

  teardown(function()
    server:stop()
    probe:remove()
  end)

  local function post(...)
    return head("POST /api/v1/reports HTTP/1.1", "Host: x", "X-Tenant: riverton", ...)
  end

  local FORM = post("Content-Type: multipart/form-data; boundary=b", "Content-Length: 10000")

  -- `pieces` are sent one after the other, `pause` seconds between two; the last again and again
  -- until the answer comes.
  local function slowly(pieces, pause)
    local peer = raw_http.connect(server.port, 0.05)
    local started = cqueues.monotime()
    for i = 1, 200 do
      peer:send(pieces[math.min(i, #pieces)])
      cqueues.sleep(pause)
      if peer:more() ~= nil then
        break
      end
    end
    local elapsed = cqueues.monotime() - started
    peer.patience_s = 20
    local answer = peer:answer()
    while peer:more() do
    end
    peer:close()
    return answer, elapsed
  end

  -- Every one of these is over when the limit is, and not before.
  local SLOW = {
    { "a head that comes too slowly", 408, "REQUEST_TIMEOUT", 1, { PIECE, "A: b\r\n" } },
    { "a JSON body without progress", 408, "TIMEOUT", 1,
      { post("Content-Type: application/json", "Content-Length: 10") .. "{", "" } },
    { "a form without progress", 408, "TIMEOUT", 1, { FORM .. "--b\r\n", "" } },
    { "a form that comes byte by byte for ever", 408, "TIMEOUT", 2, { FORM .. "--b\r\n", "A" } },
    { "a JSON body that comes byte by byte for ever", 408, "TIMEOUT", 1,
      { post("Content-Type: application/json", "Content-Length: 10000") .. "[", " " } },
    { "work that takes too long", 503, "SERVICE_UNAVAILABLE", 1,
      { head("GET /api/v1/probe/slow HTTP/1.1", "Host: x"), "" } },
  }
  -- All at once, since they take their time.
  local function run_slow()
    local loop, results = cqueues.new(), {}
    for i, case in ipairs(SLOW) do
      loop:wrap(function()
        results[i] = { slowly(case[5], 0.1) }
      end)
    end
    assert(loop:loop())
    return results
  end

  local results
  for i, case in ipairs(SLOW) do
    local what, status, code, bounds = unpack(case)
    it("end " .. what, function()
      results = results or run_slow()
      local answer, elapsed = results[i][1], results[i][2]
      assert(answer, "no answer")
      assert.equal(status, answer.status, answer.body)
      assert.equal(code, cjson.decode(answer.body).error.code)
      assert.truthy(elapsed >= bounds * BOUND_MS / 1000 - 0.2, elapsed .. " s")
    end)
  end

  it("close a connection that is idle for too long, without a word", function()
    local peer = raw_http.connect(server.port, 20)
    peer:send(PIECE .. "\r\n")
    assert.equal(200, peer:answer().status)
    local started = cqueues.monotime()
    assert.is_false(peer:more(), peer.rest)
    assert.truthy(cqueues.monotime() - started >= BOUND_MS / 1000 - 0.2)
    peer:close()
  end)

  it("serve as many connections as are allowed, and turn away the next", function()
    local function open(count)
      local peers = {}
      for i = 1, count do
        peers[i] = raw_http.connect(server.port, 20)
        peers[i]:send(PIECE .. "\r\n")
      end
      return peers
    end
    -- Those of the tests before are gone soon, and these end when they are idle for too long.
    local statuses
    for _ = 1, 20 do
      local peers = open(31)
      statuses = {}
      for i = 1, 31 do
        local answer = peers[i]:answer()
        statuses[i] = answer and answer.status or "closed"
      end
      for i = 1, 31 do
        peers[i]:close()
      end
      if statuses[30] == 200 then
        break
      end
      cqueues.sleep(0.2)
    end
    for i = 1, 30 do
      assert.equal(200, statuses[i])
    end
    assert.equal(503, statuses[31])
  end)
end)
