--- Messages are written down in the transaction of what they tell of; a job carries them out after
-- the commit. So nobody hears of what did not happen, and nothing is forgotten.

local json = require("core.json")
local sealed = require("core.sealed")
local time = require("core.time")
local uuid = require("core.uuid")
local jobs = require("services.jobs")
local template = require("services.notifications.template")
local store = require("services.notifications.store")

local M = {}

M.SEAL = "notifications.delivery"
M.JOB = "notifications.deliver"
M.DIGEST_JOB = "notifications.digest"

-- What commits in the second before a digest is made belongs to it: so it is made a little later.
local DIGEST_GRACE_MS = 60000

-- Writes a delivery down. @return its id, or nil when its key was used before
local function insert(ctx, delivery, content)
  local id = uuid.v7()
  local is_new = store.insert_delivery(ctx, {
    id = id,
    notification_id = delivery.notification_id,
    user_id = delivery.user_id,
    channel = delivery.channel,
    type = delivery.type,
    idempotency_key = delivery.key,
    content = sealed.seal(M.SEAL, json.encode(content), id),
    digest_at = time.db(delivery.digest_at),
  })
  return is_new and id or nil
end

--- Sends a message by a channel, in the caller's transaction.
-- @param message channel ("email", "sms" or "push"), to = {address =, name =}, type, user_id,
--   tenant_id, title, message, data; key = idempotency key or nil; send_at (ms) or nil: at once;
--   digest_at (ms) or nil: it is one of a digest that goes out then
-- @return the delivery's id, or nil when the key was used before
function M.deliver(ctx, message)
  local id = insert(ctx, message, { to = message.to.address, name = message.to.name,
    tenant_id = message.tenant_id, title = message.title, message = message.message,
    data = message.data })
  if not id then
    return nil
  end
  local job_ctx = ctx:with({ tenant = false })
  if message.digest_at then
    jobs.enqueue(job_ctx, M.DIGEST_JOB, { userId = message.user_id, at = message.digest_at }, {
      unique = message.user_id .. ":" .. message.digest_at,
      run_at = message.digest_at + DIGEST_GRACE_MS })
  else
    jobs.enqueue(job_ctx, M.JOB, { deliveryId = id }, { run_at = message.send_at })
  end
  return id
end

--- Sends a mail, in the caller's transaction.
-- @param mail to = {address =, name =}, template and data (services.notifications.template), type
--   (for the records: "account.verify"), user_id or nil, key = idempotency key or nil: a second
--   mail with the same key is not sent
-- @return the delivery's id, or nil when the key was used before
-- @usage notifications.mail(ctx, { to = { address = user.email }, type = "account.verify",
--   template = mails.verify, data = { link = link }, user_id = user.id })
function M.mail(ctx, mail)
  assert(ctx.tx, "notifications.mail needs a transaction")
  local content = template.render(mail.template, mail.data)
  content.to, content.name = mail.to.address, mail.to.name
  local id = insert(ctx, { channel = "email", type = mail.type, user_id = mail.user_id,
    notification_id = mail.notification_id, key = mail.key }, content)
  if id then
    -- no tenant: a mail about an account outlives the tenant in which it was caused
    jobs.enqueue(ctx:with({ tenant = false }), M.JOB, { deliveryId = id })
  end
  return id
end

--- Writes to a person about their account, inside the product and by mail, whatever they prefer;
-- in the caller's transaction.
-- @param message user_id, type, title, message, data or nil; mail = what M.mail takes
-- @return the notification's id
function M.letter(ctx, message)
  assert(ctx.tx, "notifications.letter needs a transaction")
  local id, mail = uuid.v7(), message.mail
  store.insert_notification(ctx, {
    id = id,
    user_id = message.user_id,
    type = message.type,
    title = message.title,
    message = message.message,
    data = message.data and json.encode(message.data),
  })
  M.mail(ctx, {
    to = mail.to, template = mail.template, data = mail.data, key = mail.key,
    type = message.type, user_id = message.user_id, notification_id = id,
  })
  return id
end

return M
