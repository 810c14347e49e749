--- Carries messages out: through the server that is configured for the channel, else into the
-- mailbox.
--
-- The mailbox takes a message in the transaction that marks it as sent. A mail server may take a
-- mail and be lost before it says so: then it is sent again under the same Message-ID, by which
-- receivers know it.
--
-- What goes wrong is told by its code alone: the words of a mail server name the recipient.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local sealed = require("core.sealed")
local mail_carrier = require("services.notifications.mail_carrier")
local mailbox = require("services.notifications.mailbox")
local rendering = require("services.notifications.rendering")
local sending = require("services.notifications.sending")
local sms_carrier = require("services.notifications.sms_carrier")
local store = require("services.notifications.store")

local M = {}

--- Pauses between attempts: over them a mail server may be down for a day.
M.BACKOFF_MS = { 5000, 30000, 120000, 600000, 3600000, 21600000, 64800000 }
M.MAX_ATTEMPTS = #M.BACKOFF_MS + 1
M.TIMEOUT_MS = 60000

-- Push messages have no carrier: they reach the mailbox alone.
local CARRIERS = { email = mail_carrier, sms = sms_carrier }
local FOR_GOOD = { REFUSED = true, INVALID = true, VALIDATION_ERROR = true }

--- Whether there is a way for messages of a channel to leave. Mails are written down even where
-- there is none, so that an operator sees that they wait for a mail server.
function M.has_way(channel)
  local carrier = CARRIERS[channel]
  return channel == "email" or carrier ~= nil and carrier.is_configured() or mailbox.is_there()
end

local function put_into_mailbox(ctx, row, content)
  db.transaction(ctx, function(tx_ctx)
    mailbox.put(tx_ctx, { id = row.id, channel = row.channel, to = content.to:lower(),
      subject = content.subject, text = content.text, html = content.html })
    store.set_sent(tx_ctx, row.id)
  end)
end

-- @return nil when it was sent, else the code of what went wrong
local function carry(ctx, row)
  local text = sealed.open(sending.SEAL, row.content, row.id)
  if not text then
    return "INVALID" -- sealed with a secret that is no longer ours
  end
  local content = rendering.of(row, json.decode(text))
  local carrier = CARRIERS[row.channel]
  if carrier and carrier.is_configured() then
    local sent, code = carrier.send(row.id, content)
    if not sent then
      return code
    end
    store.set_sent(ctx, row.id)
  elseif mailbox.is_there() then
    put_into_mailbox(ctx, row, content)
  else
    return "NOT_CONFIGURED"
  end
end

--- The job: carries one delivery out. Raises when it is to be tried again.
function M.deliver(ctx, payload, job)
  local row = store.find_waiting(ctx, payload.deliveryId)
  local problem = row and carry(ctx, row)
  if not problem then
    return
  end
  local final = FOR_GOOD[problem] or job.attempt >= M.MAX_ATTEMPTS
  store.set_failed(ctx, row.id, problem, final)
  local err = errors.new("SERVICE_UNAVAILABLE", "the message was not taken: " .. problem)
  err.permanent = final
  error(err, 0)
end

return M
