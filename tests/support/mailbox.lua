--- Reads the mailbox of a server under test.
local cqueues = require("cqueues")

local M = {}

local WAIT_S = 90

--- The messages to an address, newest first.
function M.list(api, to)
  return api:get("/dev/mailbox.json?to=" .. to:gsub("+", "%%2B"), { root = true }).json
end

--- The newest message to an address whose subject holds the text; waits for it.
function M.wait(api, to, subject)
  local deadline = cqueues.monotime() + WAIT_S
  repeat
    for _, message in ipairs(M.list(api, to)) do
      if message.subject:find(subject, 1, true) then
        return message
      end
    end
    cqueues.sleep(0.05)
  until cqueues.monotime() > deadline
  error("no mail '" .. subject .. "' to " .. to, 2)
end

--- The secret in the link of a message.
function M.secret(message)
  return assert(message.text:match("[?&]token=([%w_-]+)"))
end

return M
