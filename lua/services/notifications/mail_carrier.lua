--- Carries mails to the mail server that is configured.

local config = require("core.config")
local errors = require("core.errors")
local mime = require("core.mime")
local smtp = require("core.smtp")

local M = {}

local TIMEOUT_MS = 30000
local TLS_PORT = 465 -- TLS from the start

function M.is_configured()
  return config.get().mail.host ~= ""
end

local function server_url(mail)
  return ("%s://%s:%d"):format(mail.port == TLS_PORT and "smtps" or "smtp", mail.host, mail.port)
end

--- @param id of the delivery: the same in every attempt
-- @param content to, name, subject, text, html
-- @return true, or nil and the code of what went wrong
function M.send(id, content)
  local mail = config.get().mail
  local made, message = pcall(mime.message, {
    from = { name = mail.from_name, address = mail.from },
    to = { { name = content.name, address = content.to } },
    subject = content.subject, text = content.text, html = content.html,
    message_id = id .. mail.from:match("@.*$"),
    headers = { ["Auto-Submitted"] = "auto-generated" },
  })
  if not made then
    return nil, errors.is(message) and message.code or "INTERNAL"
  end
  local sent, err = smtp.send({
    url = server_url(mail), from = mail.from, to = { content.to }, message = message,
    user = mail.user ~= "" and mail.user or nil,
    password = mail.user ~= "" and mail.password or nil,
    tls = mail.tls, ca_file = mail.ca_file ~= "" and mail.ca_file or nil,
    timeout_ms = TIMEOUT_MS,
  })
  return sent, err and err.code
end

return M
