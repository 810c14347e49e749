--- template: a tenant's own wording of the messages that its people get. {{workorder.number}}
-- stands for a value of what the message is about; in HTML it is escaped. A function in the place
-- of a text is run when the message goes out; what it returns is no template, but the text.

local log = require("core.log")
local utf8 = require("core.schema.text")
local layout = require("services.notifications").layout
local hooks = require("services.scripts.hooks")
local template_check = require("services.scripts.template_check")

local M = {}

local SUBJECT_MAX = 200 -- bytes
local PLACEHOLDER = template_check.PLACEHOLDER

-- A value as text; nothing for what is not there.
local function value_of(data, path)
  local value = data
  for name in path:gmatch("[^.]+") do
    if type(value) ~= "table" then
      return ""
    end
    value = value[name]
  end
  local kind = type(value)
  return (kind == "string" or kind == "number" or kind == "boolean") and tostring(value) or ""
end

local function fill(text, data, write)
  return (text:gsub(PLACEHOLDER, function(path)
    return write(value_of(data, path))
  end))
end

local function plain(text)
  return text
end

local WRITE = { html = layout.escape }

local function values_of(tenant, content)
  local values = {}
  for name, value in pairs(type(content.data) == "table" and content.data or {}) do
    values[name] = value
  end
  values.title, values.message, values.name = content.title, content.message, content.name
  values.tenant = tenant.name
  return values
end

-- The texts of a template, filled in or what its functions return; nil when one of these fails:
-- then the message is as it would be.
local function texts_of(ctx, release, hook, values)
  local texts, has_code = {}, false
  for name, text in pairs(hook.fields) do
    local is_text = type(text) == "string"
    texts[name] = is_text and fill(text, values, WRITE[name] or plain) or nil
    has_code = has_code or not is_text
  end
  if not has_code then
    return texts
  end
  local outcome = hooks.run(ctx, release, hook, { values }, { lane = "background",
    event = hook.name })
  if outcome.error or type(outcome.value) ~= "table" then
    log.info(ctx, "a template failed", { type = hook.name, channel = hook.channel })
    return nil
  end
  for name, text in pairs(outcome.value) do
    texts[name] = texts[name] or type(text) == "string" and text or nil
  end
  return texts
end

-- A subject is one line.
local function one_line(text)
  return utf8.cut((text:gsub("[%c]+", " ")), SUBJECT_MAX)
end

--- The wording of what runs for the context's tenant, or nil: it has none for such a message.
-- @param content title, message, name, data
-- @return {subject, text, html}
function M.override(ctx, type_name, channel, content)
  local release = hooks.release(ctx, content.to)
  local found
  for _, hook in ipairs(release and hooks.find(release, "template", type_name) or {}) do
    found = hook.channel == channel and hook or found
  end
  local values = found and values_of(ctx.tenant, content)
  local texts = found and texts_of(ctx, release, found, values)
  if not texts then
    return nil
  end
  local subject, body = one_line(texts.subject or content.title), texts.body or content.message
  return {
    subject = subject,
    text = body,
    html = channel == "email" and layout.page(subject, texts.html or layout.paragraphs(body))
      or nil,
  }
end

return M
