-- Whatever is sent beyond a limit, the server's memory does not grow by more than the limits allow,
-- however often.
local cqueues = require("cqueues")
local client = require("tests.support.client")
local corpus = require("tests.conformance.websocket")
local raw_http = require("tests.support.raw_http")
local raw_socket = require("tests.support.raw_socket")
local servers = require("tests.support.server")
local zlib = require("tests.support.zlib")

local ASAN = os.getenv("ASAN_OPTIONS")

local function head(...)
  return table.concat({ ... }, "\r\n") .. "\r\n\r\n"
end

-- JSON of that many bytes, which signs nobody in.
local function json_of(bytes)
  return '{"email":"' .. ("x"):rep(bytes - 12) .. '"}'
end

-- What each burst sends on how many connections at once, and the memory that one of them may cost:
-- the limit, what the socket layer has read already (64 KiB) and as much again for a copy on its
-- way to Lua.
describe("the memory", function()
  local KB, MB = 1024, 1048576
  local READ = 64 * KB
  local UNSENT = 32 * MB
  local server, pid

  setup(function()
    raw_socket.raise_file_limit()
    server = servers.start({ env = { FIXXIT_SERVER_WORKERS = 1,
      FIXXIT_HTTP_MAX_UNSENT_BYTES = UNSENT,
      -- The sanitizer would keep what was freed.
      ASAN_OPTIONS = ASAN and ASAN .. ":quarantine_size_mb=1" } })
    pid = server:pids("http")[1]
  end)

  teardown(function()
    server:stop()
  end)

  local function resident()
    local text = assert(servers.read_file("/proc/" .. pid .. "/status"))
    return tonumber(text:match("VmRSS:%s*(%d+) kB")) * KB
  end

  -- Runs send(i) `count` times at once, looking at the memory meanwhile.
  local function burst(count, send)
    local loop, left, most = cqueues.new(), count, 0
    for i = 1, count do
      loop:wrap(function()
        local ok, problem = pcall(send, i)
        left = left - 1
        assert(ok, problem)
      end)
    end
    loop:wrap(function()
      while left > 0 do
        most = math.max(most, resident())
        cqueues.sleep(0.01)
      end
    end)
    assert(loop:loop())
    return math.max(most, resident())
  end

  local function http(bytes, status)
    return function()
      local peer = raw_http.connect(server.port, 30)
      peer:send(bytes)
      local answer = peer:answer()
      assert(not answer or answer.status == status, answer and answer.body)
      peer:close()
    end
  end

  local function upload(parts)
    local body, kind = client.multipart(parts)
    return head("POST /api/v1/reports HTTP/1.1", "Host: x", "X-Tenant: riverton",
      "Content-Type: " .. kind, "Content-Length: " .. #body) .. body
  end

  local function socket(changes, bytes, code)
    return function()
      local peer = raw_socket.open(server.port, changes)
      peer:send(bytes)
      local frame
      repeat
        frame = peer:frame(30)
      until not frame or frame.code
      assert(not frame or frame.code == code, frame and frame.code)
      peer:close()
    end
  end

  local GET = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
  local LOGIN = { "POST /api/v1/auth/login HTTP/1.1", "Host: x", "Content-Type: application/json" }
  local DEFLATE = { ["Sec-WebSocket-Extensions"] = "permessage-deflate" }

  local function json(bytes, ...)
    local lines = { unpack(LOGIN) }
    for _, line in ipairs({ ... }) do
      lines[#lines + 1] = line
    end
    return head(unpack(lines)) .. bytes
  end

  -- Made when they are sent: they are large.
  local BURSTS = {
    { "heads without end", 100, 2 * (16 + 8) * KB, function()
      return http("GET /health HTTP/1.1\r\nHost: x\r\n" .. ("A: " .. ("x"):rep(60) .. "\r\n"):rep(2000), 431)
    end },
    { "URLs without end", 100, 2 * 8 * KB, function()
      return http("GET /" .. ("a"):rep(500000), 414)
    end },
    { "JSON bodies that are announced too large", 50, READ, function()
      return http(json(json_of(2 * MB), "Content-Length: " .. 2 * MB), 413)
    end },
    { "JSON bodies that grow too large", 30, 3 * MB, function()
      return http(json(("100000\r\n%s\r\n"):format(("x"):rep(MB)):rep(4), "Transfer-Encoding: chunked"), 413)
    end },
    { "JSON that is nested too deep", 30, 4 * MB, function()
      return http(json(("["):rep(MB), "Content-Length: " .. MB), 400)
    end },
    { "trailers without end", 50, READ + 16 * KB, function()
      return http(json("0\r\n" .. ("A: b\r\n"):rep(100000), "Transfer-Encoding: chunked"), 400)
    end },
    { "forms with too much text", 30, 3 * MB, function()
      local parts = {}
      for i = 1, 20 do
        parts[i] = { "f" .. i, ("x"):rep(MB / 4) }
      end
      return http(upload(parts), 413)
    end },
    { "files that are too large", 8, MB, function()
      return http(upload({ { "photos", ("x"):rep(12 * MB), filename = "a.jpg" } }), 413)
    end },
    { "requests behind requests", 50, 2 * (READ + 16 * KB), function()
      return function()
        local peer = raw_http.connect(server.port, 30)
        peer.socket:xwrite(GET:rep(20000), "bn", 0.5) -- as much as it takes, without reading
        cqueues.sleep(0.5)
        peer:close()
      end
    end },
    { "answers that nobody reads", 700, UNSENT / 700, function()
      return function()
        local peer = raw_http.connect(server.port, 30)
        peer:send("GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
        cqueues.sleep(2)
        peer:close()
      end
    end },
    { "messages that are too large", 50, READ, function()
      return socket(nil, "\129\255\0\0\0\0\0\16\0\1\0\0\0\0" .. ("x"):rep(MB), 1009)
    end },
    { "fragments that become too large", 30, 3 * MB, function()
      return socket(nil, corpus.frame(0x01, ("x"):rep(MB)) .. corpus.frame(0x00, ("x"):rep(MB)), 1009)
    end },
    { "compressed messages that become too large", 30, 3 * MB, function()
      return socket(DEFLATE, corpus.frame(0xc1, zlib.deflate((" "):rep(4 * MB))), 1009)
    end },
  }

  for _, case in ipairs(BURSTS) do
    local what, count, each, make = unpack(case)
    it(("does not grow beyond the limits: %d %s"):format(count, what), function()
      local send = make()
      burst(2, send) -- what is allocated once and for all
      local before = resident()
      local allowed = count * each * (ASAN and 2 or 1) + 24 * MB
      local most, after
      for _ = 1, 3 do
        most = burst(count, send)
        assert.truthy(most - before <= allowed, ("%d KiB more than before, %d are allowed"):format(
          (most - before) / KB, allowed / KB))
      end
      after = resident()
      assert.truthy(after - before <= allowed)
      assert.equal(200, server.api:get("/health").status)
      assert.same({ pid }, server:pids("http")) -- nobody had to start it again
    end)
  end
end)
