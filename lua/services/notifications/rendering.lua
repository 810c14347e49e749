--- From what a message says to what a channel carries: {subject, text, html}. What a tenant has
-- put in its place comes from the hook `override_message`, when there is one.

local context = require("core.context")
local registry = require("core.registry")
local utf8 = require("core.schema.text")
local template = require("services.notifications.template")

local M = {}

local SMS_MAX = 480 -- characters of three linked messages
local DOTS = "..."

local MAIL = {
  subject = "{{title}}",
  paragraphs = { "Hello {{name}},", "{{message}}" },
  note = "You get this from {{tenant}} on Fixxit. What you are told, and how, is up to you: see "
    .. "the preferences of your notifications.",
}

local function shortened(text, max)
  if #text <= max then
    return text
  end
  return utf8.cut(text, max - #DOTS) .. DOTS
end

local RENDER = {
  email = function(content, tenant)
    return template.render(MAIL, { title = content.title, name = content.name or "there",
      message = content.message, tenant = tenant and tenant.name or "a workspace" })
  end,
  sms = function(content)
    local text = content.message ~= content.title and content.title .. ": " .. content.message
      or content.title
    return { text = shortened(text, SMS_MAX) }
  end,
  push = function(content)
    return { subject = content.title, text = content.message }
  end,
}

--- What the context's tenant says in the place of a message, or nil.
-- @param content title, message, name, data
-- @return {subject, text, html}
function M.override(ctx, type, channel, content)
  local hook = registry.hooks.override_message
  return hook and hook(ctx, type, channel, content)
end

--- What a delivery carries. One that was rendered when it was written is as it was.
-- @param row type, channel
-- @param content as sealed by services.notifications.sending
-- @return {to, name, subject, text, html}
function M.of(row, content)
  if not content.title then
    return content
  end
  local tenant = registry.hooks.find_tenant(context.system({ name = "notifications" }),
    content.tenant_id)
  local own = tenant and M.override(context.system({ name = "notifications", tenant = tenant }),
    row.type, row.channel, content)
  local made = own or RENDER[row.channel](content, tenant)
  return { to = content.to, name = content.name, subject = made.subject, text = made.text,
    html = made.html }
end

return M
