--- HTTP by the byte: sends what it is given, reads answers, sees how the connection ends.
local cqueues = require("cqueues")
local errno = require("cqueues.errno")
local socket = require("cqueues.socket")

local M = {}

local PIECE_PAUSE_S = 0.05
local PATIENCE_S = 5 * require("tests.support.patience")

--- Stands in a list of pieces for the end of what the client sends.
M.SHUT = {}

--- A connection whose unread input is `rest`.
local Peer = {}
Peer.__index = Peer

--- @param patience_s how long an answer may take, 5 without
function M.connect(port, patience_s)
  local peer = socket.connect("127.0.0.1", port)
  peer:setmode("bn", "bn")
  patience_s = patience_s or PATIENCE_S
  peer:settimeout(patience_s)
  peer:onerror(function(_, _, code)
    return code
  end)
  return setmetatable({ socket = peer, rest = "", patience_s = patience_s }, Peer)
end

function Peer:send(pieces)
  for i, piece in ipairs(type(pieces) == "table" and pieces or { pieces }) do
    if i > 1 then
      cqueues.sleep(PIECE_PAUSE_S)
    end
    if piece == M.SHUT then
      self.socket:shutdown("w")
    else -- a server that refuses may close before it has seen all
      self.socket:xwrite(piece, "bn", self.patience_s)
    end
  end
end

--- More input; false at the end of it, nil when none came in time.
function Peer:more()
  local text, code = self.socket:xread(-65536, "bn", self.patience_s)
  if text then
    self.rest = self.rest .. text
    return true
  end
  self.socket:clearerr()
  if code ~= errno.ETIMEDOUT then
    return false
  end
  return nil
end

local function parse_head(text)
  local status = tonumber(text:match("^HTTP/1%.1 (%d%d%d) [^\r\n]*\r\n"))
  assert(status, "no status line: " .. text:sub(1, 100))
  local headers = {}
  for name, value in text:gmatch("\n([^:\r\n]+): ([^\r\n]*)") do
    headers[name:lower()] = value
  end
  return { status = status, headers = headers }
end

--- The next answer; nil when there is none (any more).
function Peer:answer(is_head)
  local head_end
  repeat
    head_end = select(2, self.rest:find("\r\n\r\n", 1, true))
  until head_end or not self:more()
  if not head_end then
    assert(self.rest == "", "half an answer")
    return nil
  end
  local answer = parse_head(self.rest:sub(1, head_end))
  local length = tonumber(answer.headers["content-length"] or 0)
  if is_head or answer.status < 200 or answer.status == 204 or answer.status == 304 then
    length = 0
  end
  while #self.rest < head_end + length and self:more() do
  end
  answer.body = self.rest:sub(head_end + 1, head_end + length)
  assert(#answer.body == length, "the body was cut")
  self.rest = self.rest:sub(head_end + length + 1)
  return answer
end

function Peer:close()
  self.socket:close()
end

return M
