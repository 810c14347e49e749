--- A WebSocket client that sends the bytes it is given: for what a proper client would never do.
local bit = require("bit")
local cqueues = require("cqueues")
local errno = require("cqueues.errno")
local ffi = require("ffi")
local socket = require("cqueues.socket")

ffi.cdef([[
struct rlimit { unsigned long current, most; };
int getrlimit(int what, struct rlimit *limit);
int setrlimit(int what, const struct rlimit *limit);
]])

local M = {}

local RLIMIT_NOFILE = 7

local PATIENCE_S = 10 * require("tests.support.patience")
local PIECE_PAUSE_S = 0.02
local KEY = "dGhlIHNhbXBsZSBub25jZQ=="

local Peer = {}
Peer.__index = Peer

--- Sends an opening handshake.
-- @param where a port of the loopback address, or the path of a Unix socket
-- @param changes header -> value, false to leave it out; METHOD, VERSION, HOST, TARGET likewise;
--   TAIL: bytes to send right behind
-- @return peer with status and headers of the answer
function M.open(where, changes)
  local request = { METHOD = "GET", VERSION = "HTTP/1.1", HOST = "localhost", TARGET = "/ws",
    TAIL = "" }
  local headers = { Upgrade = "websocket", Connection = "Upgrade", ["Sec-WebSocket-Key"] = KEY,
    ["Sec-WebSocket-Version"] = "13" }
  for name, value in pairs(changes or {}) do
    (request[name] and request or headers)[name] = value
  end
  local lines = { ("%s %s %s"):format(request.METHOD, request.TARGET, request.VERSION),
    "Host: " .. request.HOST }
  for name, value in pairs(headers) do
    if value then
      lines[#lines + 1] = name .. ": " .. value
    end
  end
  local peer = type(where) == "number" and socket.connect("127.0.0.1", where)
    or socket.connect({ path = where })
  peer:setmode("bn", "bn")
  peer:settimeout(PATIENCE_S)
  peer:onerror(function(_, _, code)
    return code
  end)
  local self = setmetatable({ socket = peer, rest = "" }, Peer)
  self:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. request.TAIL)
  self:read_head()
  return self
end

--- Sends bytes, or a list of pieces with a pause between them.
function Peer:send(pieces)
  for i, piece in ipairs(type(pieces) == "table" and pieces or { pieces }) do
    if i > 1 then
      cqueues.sleep(PIECE_PAUSE_S)
    end
    self.socket:xwrite(piece, "bn", PATIENCE_S) -- a server that fails us may close meanwhile
  end
end

-- More input; false when there is none any more, nil when none came in time.
function Peer:more(timeout_s)
  local text, code = self.socket:xread(-65536, "bn", timeout_s or PATIENCE_S)
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

function Peer:read_head()
  local stop
  repeat
    stop = select(2, self.rest:find("\r\n\r\n", 1, true))
  until stop or not self:more()
  local head = assert(stop and self.rest:sub(1, stop), "no answer to the handshake")
  self.rest = self.rest:sub(stop + 1)
  self.status = tonumber(head:match("^HTTP/1%.1 (%d%d%d)"))
  self.headers = {}
  for name, value in head:gmatch("\n([^:\r\n]+): ([^\r\n]*)") do
    self.headers[name:lower()] = value
  end
end

local function number_of(text)
  local number = 0
  for i = 1, #text do
    number = number * 256 + text:byte(i)
  end
  return number
end

-- Length of the frame at the start of `text` with and without its header, if that is there.
local function measure(text)
  if #text < 2 then
    return nil
  end
  local short = text:byte(2)
  local size = short == 126 and 2 or short == 127 and 8 or 0
  if #text < 2 + size then
    return nil
  end
  local len = size == 0 and short or number_of(text:sub(3, 2 + size))
  return 2 + size + len, len
end

--- The next frame {first = its first byte, opcode=, compressed=, payload=, code= of a close}; or
-- false at the end of the stream, nil when none came in time.
function Peer:frame(timeout_s)
  local total, len
  while true do
    total, len = measure(self.rest)
    if total and #self.rest >= total then
      break
    end
    local more = self:more(timeout_s)
    if not more then
      return more
    end
  end
  local first = self.rest:byte(1)
  assert(self.rest:byte(2) < 128, "a server must not mask")
  local payload = self.rest:sub(total - len + 1, total)
  self.rest = self.rest:sub(total + 1)
  local opcode = bit.band(first, 0x0f)
  return {
    first = first,
    opcode = opcode,
    compressed = bit.band(first, 0x40) ~= 0,
    payload = payload,
    code = opcode == 8 and #payload >= 2 and number_of(payload:sub(1, 2)) or nil,
  }
end

--- Lets this process open as many sockets as it may: often 1024 is only what it begins with.
function M.raise_file_limit()
  local limit = ffi.new("struct rlimit")
  assert(ffi.C.getrlimit(RLIMIT_NOFILE, limit) == 0)
  limit.current = limit.most
  assert(ffi.C.setrlimit(RLIMIT_NOFILE, limit) == 0)
end

function Peer:close()
  self.socket:close()
end

return M
