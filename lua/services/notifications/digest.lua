--- The job that makes one mail of all that waits for a person's digest.

local db = require("core.db")
local json = require("core.json")
local sealed = require("core.sealed")
local rendering = require("services.notifications.rendering")
local sending = require("services.notifications.sending")
local store = require("services.notifications.store")

local M = {}

local TYPE = "notifications.digest"
local AT_ONCE = 200 -- messages in one mail; more make more mails

-- The mail's template: a paragraph for each message.
local function template_of(parts)
  local template = {
    subject = #parts == 1 and "{{s1}}" or "{{count}} notifications",
    paragraphs = { "Hello {{name}},", "this is what happened since your last digest:" },
  }
  for i = 1, #parts do
    template.paragraphs[i + 2] = ("{{s%d}}\n{{t%d}}"):format(i, i)
  end
  return template
end

local function open_all(rows)
  local parts, to = {}, nil
  for _, row in ipairs(rows) do
    local text = sealed.open(sending.SEAL, row.content, row.id)
    if text then
      to = json.decode(text)
      local made = rendering.of(row, to)
      parts[#parts + 1] = { title = made.subject or to.title, message = to.message }
    end
  end
  return parts, to
end

local function make(ctx, user_id, rows)
  local parts, to = open_all(rows)
  local data = { count = #parts, name = to and to.name or "there" }
  for i, part in ipairs(parts) do
    data["s" .. i], data["t" .. i] = part.title, part.message
  end
  db.transaction(ctx, function(tx_ctx)
    for _, row in ipairs(rows) do
      store.set_sent(tx_ctx, row.id)
    end
    if #parts > 0 then
      sending.mail(tx_ctx, { to = { address = to.to, name = to.name }, type = TYPE,
        template = template_of(parts), data = data, user_id = user_id })
    end
  end)
end

--- Makes a person's digest; nothing when there is nothing in it.
-- @param payload userId, at (ms)
function M.run(ctx, payload)
  repeat
    local rows = store.list_for_digest(ctx, payload.userId, payload.at, AT_ONCE)
    if #rows > 0 then
      make(ctx, payload.userId, rows)
    end
  until #rows < AT_ONCE
end

return M
