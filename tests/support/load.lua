--- Keep-alive clients that ask again and again, on a cqueues loop: they notice a request that is
-- refused, cut or answered wrongly. HTTP by hand, since it is the connection that is looked at.
local cqueues = require("cqueues")
local cqueues_socket = require("cqueues.socket")

local M = {}

local TIMEOUT_S = 15

local Load = {}
Load.__index = Load

local function read_answer(socket)
  local line, problem = socket:read("*l")
  if not line then
    return nil, "no answer (" .. tostring(problem or "closed") .. ")"
  end
  local status, length, closes = tonumber(line:match("^HTTP/1%.1 (%d%d%d)")), 0, false
  for header in function() return socket:read("*l") end do
    header = header:gsub("\r$", ""):lower()
    if header == "" then
      break
    end
    length = tonumber(header:match("^content%-length: (%d+)$")) or length
    closes = closes or header == "connection: close"
  end
  local body = length > 0 and socket:read(length) or ""
  if not body or #body ~= length then
    return nil, "an answer was cut"
  end
  return { status = status, body = body, closes = closes }
end

-- Asks on one connection until it closes or the load ends. @return whether to connect again
local function converse(load)
  local socket = cqueues_socket.connect("127.0.0.1", load.port)
  socket:setmode("b", "bn")
  socket:settimeout(TIMEOUT_S)
  local connected, refused = socket:connect(TIMEOUT_S)
  if not connected then
    load:fail("not connected: " .. tostring(refused))
    return false
  end
  local request = ("GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"):format(load.path,
    load.token and "Authorization: Bearer " .. load.token .. "\r\n" or "")
  local answer
  repeat
    local written = socket:write(request)
    local problem = not written and "not written"
    if written then
      answer, problem = read_answer(socket)
    end
    if problem then
      load:fail(problem)
      socket:close()
      return true
    end
    load.requests = load.requests + 1
    if answer.status ~= 200 then
      load:fail("status " .. tostring(answer.status) .. ": " .. answer.body)
    elseif load.on_answer then
      load.on_answer(answer.body)
    end
    if load.pause_s then
      cqueues.sleep(load.pause_s)
    end
  until answer.closes or load.stopped
  socket:close()
  load.closed = load.closed + (answer.closes and 1 or 0)
  return not (answer.closes and load.ends_at_close)
end

function Load:fail(text)
  self.failures[#self.failures + 1] = text
end

--- Lets each client end after its present answer.
function Load:stop()
  self.stopped = true
end

--- Adds the clients to a cqueues loop.
-- @param options port, path, clients, token, ends_at_close (do not connect again after
--   `Connection: close`), pause_s between requests, on_answer(body)
-- @return load {requests, failures = array of texts, closed = answers that closed, running}
function M.start(loop, options)
  local load = setmetatable({ requests = 0, failures = {}, closed = 0, running = options.clients },
    Load)
  for name, value in pairs(options) do
    load[name] = value
  end
  for _ = 1, options.clients do
    loop:wrap(function()
      while not load.stopped and #load.failures < 10 and converse(load) do
        cqueues.sleep(0)
      end
      load.running = load.running - 1
    end)
  end
  return load
end

return M
