--- A reader of server-sent events (WHATWG HTML 9.2.6) that shows everything that it gets.
local cqueues = require("cqueues")
local errno = require("cqueues.errno")
local ffi = require("ffi")
local socket = require("cqueues.socket")

ffi.cdef("int setsockopt(int fd, int level, int name, const void *value, unsigned len);")

local M = {}

local SOL_SOCKET, SO_RCVBUF = 1, 8

local PATIENCE_S = 10 * require("tests.support.patience")

local Stream = {}
Stream.__index = Stream

--- Asks for /events and reads the head of the answer.
-- @param query "token=..." or nil
-- @param headers name -> value
-- @return stream with status, headers, and the body when it is no stream
function M.open(port, query, headers)
  local lines = { "GET /events" .. (query and "?" .. query or "") .. " HTTP/1.1",
    "Host: 127.0.0.1:" .. port }
  for name, value in pairs(headers or {}) do
    lines[#lines + 1] = name .. ": " .. value
  end
  local peer = socket.connect("127.0.0.1", port)
  peer:setmode("bn", "bn")
  peer:onerror(function(_, _, code)
    return code
  end)
  assert(peer:xwrite(table.concat(lines, "\r\n") .. "\r\n\r\n", "bn", PATIENCE_S))
  local self = setmetatable({ socket = peer, rest = "", headers = {} }, Stream)
  local stop
  repeat
    stop = select(2, self.rest:find("\r\n\r\n", 1, true))
  until stop or not self:more(PATIENCE_S)
  local head = assert(stop and self.rest:sub(1, stop), "no answer")
  self.rest = self.rest:sub(stop + 1)
  self.status = tonumber(head:match("^HTTP/1%.1 (%d%d%d)"))
  for name, value in head:gmatch("\n([^:\r\n]+): ([^\r\n]*)") do
    self.headers[name:lower()] = value
  end
  return self
end

-- More input: true; false at the end of the stream, nil when none came in time.
function Stream:more(timeout_s)
  local text, code = self.socket:xread(-65536, "bn", timeout_s)
  if text then
    self.rest = self.rest .. text
    return true
  end
  self.socket:clearerr()
  if code == errno.ETIMEDOUT then
    return nil
  end
  return false
end

--- The next block {event=, id=, data=, retry=, comment=}; false at the end of the stream, nil when
-- none came in time.
function Stream:next(timeout_s)
  local deadline = cqueues.monotime() + (timeout_s or PATIENCE_S)
  local stop
  while true do
    stop = self.rest:find("\n\n", 1, true)
    if stop then
      break
    end
    local more = self:more(math.max(deadline - cqueues.monotime(), 0.01))
    if not more then
      return more
    end
  end
  local block, lines = {}, {}
  for line in (self.rest:sub(1, stop)):gmatch("([^\n]*)\n") do
    local name, value = line:match("^([^:]*): ?(.*)$")
    if name == "data" then
      lines[#lines + 1] = value
    else
      block[name == "" and "comment" or name] = value
    end
  end
  block.data = lines[1] and table.concat(lines, "\n")
  self.rest = self.rest:sub(stop + 2)
  return block
end

--- The next block with that event name (nil: without one), others are dropped; false or nil as
-- next() when there is none.
function Stream:expect(event, timeout_s)
  local deadline = cqueues.monotime() + (timeout_s or PATIENCE_S)
  repeat
    local block = self:next(math.max(deadline - cqueues.monotime(), 0.01))
    if not block then
      return block
    end
    if block.data and block.event == event then
      block.frame = assert(require("cjson.safe").decode(block.data))
      return block
    end
  until cqueues.monotime() > deadline
  return nil
end

--- Whether the stream ends in time; what still comes is dropped.
function Stream:ends(timeout_s)
  local deadline = cqueues.monotime() + (timeout_s or PATIENCE_S)
  repeat
    local more = self:more(math.max(deadline - cqueues.monotime(), 0.01))
    if more == false then
      return true
    end
  until cqueues.monotime() > deadline
  return false
end

--- Lets the kernel keep so many bytes for this reader; with few the server soon has to.
function Stream:buffer(bytes)
  local size = ffi.new("int[1]", bytes)
  assert(ffi.C.setsockopt(self.socket:pollfd(), SOL_SOCKET, SO_RCVBUF, size, 4) == 0)
end

function Stream:close()
  self.socket:close()
end

return M
