--- Clients that send a byte a second and would never end. Each is to be told that its time is over.
local cqueues = require("cqueues")
local loads = require("tests.support.load")
local raw = require("tests.support.raw_socket")
local cqueues_socket = require("cqueues.socket")

local M = {}

local CONNECT_S, PATIENCE_S = 30, 90
local EARLY_S = 0.5 -- the server knew of it before the client knew that
local BYTES_MAX = 32768 -- of memory for one of them
local AT_ONCE = 100 -- connections begun in a row; then the others get their turn

local BODY = "Host: localhost\r\nX-Tenant: riverton\r\nContent-Type: %s\r\nContent-Length: 5000\r\n\r\n%s"

--- What each kind sends at once before its slow part.
M.KINDS = {
  head = "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
  ["JSON body"] = "POST /api/v1/reports HTTP/1.1\r\n" .. BODY:format("application/json", '{"title":"'),
  form = "POST /api/v1/reports HTTP/1.1\r\n" .. BODY:format("multipart/form-data; boundary=b",
    '--b\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'),
}

local function drip(client, socket)
  local deadline = cqueues.monotime() + PATIENCE_S
  while cqueues.monotime() < deadline do
    socket:xwrite("a", "bn", 1)
    local text, code = socket:xread(-4096, "bn", 1)
    if text then
      client.answer = (client.answer or "") .. text
    elseif not code or client.answer then
      client.closed = true
      return
    else
      socket:clearerr()
    end
  end
end

local function run_client(client, port, first)
  local socket = cqueues_socket.connect("127.0.0.1", port)
  socket:setmode("bn", "bn")
  socket:onerror(function(_, _, code)
    return code
  end)
  if socket:connect(CONNECT_S) then
    client.began = cqueues.monotime()
    socket:xwrite(first, "bn", CONNECT_S)
    drip(client, socket)
    client.seconds = cqueues.monotime() - client.began
  end
  socket:close()
end

-- Resident bytes of the HTTP workers.
local function resident(server)
  local total = 0
  for _, pid in ipairs(server:pids("http")) do
    local file = assert(io.open(("/proc/%d/status"):format(pid)))
    total = total + tonumber(file:read("*a"):match("VmRSS:%s*(%d+) kB")) * 1024
    file:close()
  end
  return total
end

--- The settings of a server that gives `limit_s` for a head and for a body.
function M.env(limit_s)
  local ms = limit_s * 1000
  return { FIXXIT_LIMITS_SCALE = 10000, FIXXIT_HTTP_HEADER_TIMEOUT_MS = ms,
    FIXXIT_HTTP_BODY_TIMEOUT_MS = ms, FIXXIT_HTTP_REQUEST_TIMEOUT_MS = ms }
end

--- Lets `count` of them loose, of these kinds in turn, with fast clients asking beside them.
-- @return outcome {clients = array of {answer, seconds, closed}, load, before_bytes, during_bytes}
function M.run(server, kinds, count)
  raw.raise_file_limit()
  local loop = cqueues.new()
  local outcome = { clients = {}, before_bytes = resident(server) }
  local load = loads.start(loop, { port = server.port, path = "/health", clients = 8, pause_s = 0.05 })
  local left = count
  loop:wrap(function()
    for i = 1, count do
      local client = {}
      outcome.clients[i] = client
      loop:wrap(function()
        run_client(client, server.port, M.KINDS[kinds[i % #kinds + 1]])
        left = left - 1
      end)
      if i % AT_ONCE == 0 then
        cqueues.sleep(0.05)
      end
    end
    outcome.during_bytes = 0
    while left > 0 do
      outcome.during_bytes = math.max(outcome.during_bytes, resident(server))
      cqueues.sleep(0.5)
    end
    load:stop()
  end)
  assert(loop:loop())
  outcome.load = load
  return outcome
end

--- What went wrong, as texts.
-- @param limit_s the time that the server gives
function M.complaints(outcome, limit_s)
  local found = {}
  for i, client in ipairs(outcome.clients) do
    local status = client.answer and client.answer:match("^HTTP/1%.1 (%d+)")
    if status ~= "408" then
      found[#found + 1] = ("client %d: %s"):format(i, client.answer or "no answer")
    elseif not client.closed then
      found[#found + 1] = ("client %d: its connection was left open"):format(i)
    elseif client.seconds < limit_s - EARLY_S then
      found[#found + 1] = ("client %d: ended after %.1f s"):format(i, client.seconds)
    end
  end
  for _, failure in ipairs(outcome.load.failures) do
    found[#found + 1] = "another client: " .. failure
  end
  local each = (outcome.during_bytes - outcome.before_bytes) / #outcome.clients
  if each > BYTES_MAX then
    found[#found + 1] = ("%d bytes for each"):format(each)
  end
  return found
end

return M
