--- Tells people of a tenant something, by the channels that it is for and they want.

local json = require("core.json")
local time = require("core.time")
local uuid = require("core.uuid")
local events = require("services.events")
local delivery = require("services.notifications.delivery")
local preferences = require("services.notifications.preferences")
local recipients = require("services.notifications.recipients")
local rendering = require("services.notifications.rendering")
local schema = require("services.notifications.schema")
local sending = require("services.notifications.sending")
local store = require("services.notifications.store")

local M = {}

-- A number as SMS providers want it (E.164), or nil: one without its country cannot be reached.
local function international(phone)
  local digits = phone and phone:gsub("[^%d+]", ""):gsub("^00", "+")
  return digits and digits:find("^%+%d+$") and digits or nil
end

-- Where a channel reaches a person, or nil.
local ADDRESSES = {
  email = function(person)
    return person.email
  end,
  sms = function(person)
    return international(person.phone)
  end,
  push = function(person)
    return "push:" .. person.id
  end,
}

local function set_of(channels)
  local set = {}
  for _, channel in ipairs(channels or {}) do
    set[channel] = true
  end
  return channels and set
end

local function key_of(message, channel, person)
  return message.key and table.concat({ message.key, channel, person.id }, ":")
end

local function put_into_inbox(ctx, person, message)
  local own = rendering.override(ctx, message.type, "in_app", { title = message.title,
    message = message.message, name = person.name, data = message.data }) or {}
  local row = {
    id = uuid.v7(),
    user_id = person.id,
    tenant_id = ctx:require_tenant().id,
    type = message.type,
    title = own.subject or message.title,
    message = own.text or message.message,
    data = message.data and json.encode(message.data),
    idempotency_key = key_of(message, "in_app", person),
  }
  if not store.insert_notification(ctx, row) then
    return nil
  end
  -- What somebody was told goes with them.
  events.emit(ctx, "notification.new", { resource_type = "user", resource_id = person.id,
    data = { id = row.id, userId = person.id, type = row.type, title = row.title,
      message = row.message, data = message.data or json.null },
    personal = { title = person.id, message = person.id, data = person.id } })
  return row.id
end

local function send_by(ctx, channel, person, message, wanted, notification_id)
  local address = delivery.has_way(channel) and ADDRESSES[channel](person)
  if not address then
    return
  end
  local timezone, now_ms = ctx:require_tenant().timezone, time.now_ms()
  local digest_ms = channel == "email" and preferences.next_digest(wanted, timezone, now_ms)
  local due_ms = preferences.after_quiet(wanted, timezone, digest_ms or now_ms)
  sending.deliver(ctx, {
    channel = channel,
    to = { address = address, name = person.name },
    type = message.type,
    user_id = person.id,
    notification_id = notification_id,
    tenant_id = ctx.tenant.id,
    title = message.title,
    message = message.message,
    data = message.data,
    key = key_of(message, channel, person),
    send_at = due_ms > now_ms and due_ms or nil,
    digest_at = digest_ms and due_ms or nil,
  })
end

--- Tells people something, in the caller's transaction.
-- @param message to (services.notifications.recipients), type ("workorder.assigned"), title,
--   message, data = what it is about or nil, channels = array of schema.CHANNELS or nil: those
--   that a person chose; key = idempotency key of at most 150 bytes or
--   nil: nobody is told twice under one
-- @return how many people it is for; nobody where the actor is silent
-- @usage notifications.notify(ctx, { to = { roles = { "dispatcher" } }, type = "report.critical",
--   title = "Live wire", message = "At the school gate", channels = { "in_app", "sms" } })
function M.notify(ctx, message)
  assert(ctx.tx, "notifications.notify needs a transaction")
  if ctx.actor.silent then
    return 0
  end
  local people = recipients.find(ctx, message.to)
  local ids = {}
  for i, person in ipairs(people) do
    ids[i] = person.id
  end
  local wanted, asked = preferences.of_all(ctx, ids), set_of(message.channels)
  for _, person in ipairs(people) do
    local notification_id
    for _, channel in ipairs(schema.CHANNELS) do
      local is_asked = asked and asked[channel]
      if (not asked or is_asked)
        and preferences.allows(wanted[person.id], message.type, channel, is_asked) then
        if channel == "in_app" then
          notification_id = put_into_inbox(ctx, person, message)
        else
          send_by(ctx, channel, person, message, wanted[person.id], notification_id)
        end
      end
    end
  end
  return #people
end

return M
