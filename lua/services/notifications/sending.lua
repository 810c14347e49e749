--- Messages are written down in the transaction of what they tell of; a job carries them out after
-- the commit. So nobody hears of what did not happen, and nothing is forgotten.

local json = require("core.json")
local sealed = require("core.sealed")
local uuid = require("core.uuid")
local jobs = require("services.jobs")
local template = require("services.notifications.template")
local store = require("services.notifications.store")

local M = {}

M.SEAL = "notifications.delivery"
M.JOB = "notifications.deliver"

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
  local id = uuid.v7()
  local is_new = store.insert_delivery(ctx, {
    id = id,
    notification_id = mail.notification_id,
    user_id = mail.user_id,
    channel = "email",
    type = mail.type,
    idempotency_key = mail.key,
    content = sealed.seal(M.SEAL, json.encode(content), id),
  })
  if not is_new then
    return nil
  end
  -- no tenant: a mail about an account outlives the tenant in which it was caused
  jobs.enqueue(ctx:with({ tenant = false }), M.JOB, { deliveryId = id })
  return id
end

--- Tells somebody something inside the product, and by mail when there is a template; in the
-- caller's transaction.
-- @param message user_id, type, title, message, data or nil; mail = what M.mail takes, or nil
-- @return the notification's id
function M.notify(ctx, message)
  assert(ctx.tx, "notifications.notify needs a transaction")
  local id = uuid.v7()
  store.insert_notification(ctx, {
    id = id,
    user_id = message.user_id,
    tenant_id = message.tenant_id,
    type = message.type,
    title = message.title,
    message = message.message,
    data = message.data and json.encode(message.data),
  })
  local mail = message.mail
  if mail then
    M.mail(ctx, {
      to = mail.to, template = mail.template, data = mail.data, key = mail.key,
      type = message.type, user_id = message.user_id, notification_id = id,
    })
  end
  return id
end

return M
