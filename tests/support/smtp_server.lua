--- A mail server for tests: takes one mail at a time, when the test asks for it.
local socket = require("cqueues.socket")

local M = {}

local WAIT_S = 90

local Server = {}
Server.__index = Server

--- Listens on a free port of the loopback address.
-- @return server {port=}
function M.start()
  local listener = assert(socket.listen("127.0.0.1", 0))
  assert(listener:listen())
  local _, _, port = listener:localname()
  return setmetatable({ listener = listener, port = port }, Server)
end

--- Waits for the next connection and serves it.
-- @param answers {RCPT = "451 later", ...}: what is said instead of the friendly answer
-- @return {from=, to=, data=} of what was told, or nil when nobody came
function Server:take(answers)
  local peer = self.listener:accept({ nodelay = true }, WAIT_S)
  if not peer then
    return nil
  end
  peer:setmode("b", "b")
  peer:settimeout(WAIT_S)
  local mail = {}
  local function say(line)
    peer:write(line, "\r\n")
    peer:flush()
  end
  say("220 sink.example ESMTP")
  for line in peer:lines("*l") do
    line = line:gsub("\r$", "")
    local verb = line:match("^%a+"):upper()
    local answer = answers and answers[verb]
    if verb == "MAIL" then
      mail.from = line:match("<(.-)>")
    elseif verb == "RCPT" then
      mail.to = line:match("<(.-)>")
    end
    if verb == "EHLO" then
      say("250 sink.example")
    elseif verb == "DATA" and not answer then
      say("354 go on")
      local text = {}
      for piece in peer:lines("*l") do
        piece = piece:gsub("\r$", "")
        if piece == "." then
          break
        end
        text[#text + 1] = piece
      end
      mail.data = table.concat(text, "\n")
      say(answers and answers.END or "250 taken")
    elseif verb == "QUIT" then
      say("221 bye")
      break
    else
      say(answer or "250 ok")
    end
  end
  peer:close()
  return mail
end

function Server:stop()
  self.listener:close()
end

return M
