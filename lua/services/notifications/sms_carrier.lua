--- Carries text messages to Twilio's REST API, or what speaks like it.
--
-- It knows no idempotency key: an answer that is lost leads to a second message, so only what
-- certainly was not taken is tried again.

local config = require("core.config")
local crypto = require("core.crypto")
local http_client = require("core.http_client")

local M = {}

local TIMEOUT_MS = 20000
local MAX_BYTES = 65536
local TOO_MANY = 429

function M.is_configured()
  return config.get().sms.account ~= ""
end

local function escaped(text)
  return (text:gsub("[^%w._~-]", function(c)
    return ("%%%02X"):format(c:byte())
  end))
end

--- @param content to, text
-- @return true, or nil and the code of what went wrong
function M.send(_, content)
  local sms = config.get().sms
  local answer, err = http_client.request({
    method = "POST",
    url = ("%s/2010-04-01/Accounts/%s/Messages.json"):format(sms.url, escaped(sms.account)),
    headers = {
      ["Authorization"] = "Basic " .. crypto.base64(sms.account .. ":" .. sms.token),
      ["Content-Type"] = "application/x-www-form-urlencoded",
    },
    body = ("To=%s&From=%s&Body=%s"):format(escaped(content.to), escaped(sms.from),
      escaped(content.text)),
    timeout_ms = TIMEOUT_MS, max_bytes = MAX_BYTES,
  })
  if not answer then
    return nil, err.code
  elseif answer.status >= 200 and answer.status < 300 then
    return true
  end
  local is_later = answer.status == TOO_MANY or answer.status >= 500
  return nil, is_later and "TEMPORARY" or "REFUSED"
end

return M
