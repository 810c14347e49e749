--- The mailbox of development and tests: a page for people, JSON for programs. Anybody who reaches
-- such a server may read it; production has no such routes.

local json = require("core.json")
local reply = require("core.reply")
local s = require("core.schema")
local sys = require("core.sys")
local mailbox = require("services.notifications.mailbox")

local JSON_TYPE = "application/json; charset=utf-8"
local PAGES = "/lua/services/notifications/pages/"
local NO_STORE = { ["Cache-Control"] = "no-store" }
-- Mails are shown in a frame that runs no scripts; their own styles are inline.
local PAGE_POLICY = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
  .. "connect-src 'self'; img-src 'self' data:; frame-src 'self'; base-uri 'none'; "
  .. "frame-ancestors 'none'"

local MESSAGE = s.object({
  id = s.string({ format = "uuid" }),
  channel = s.string({ describe = "such as email" }),
  to = s.string(),
  subject = s.string({ nullable = true }),
  text = s.string({ nullable = true }),
  html = s.string({ nullable = true }),
  sentAt = s.string({ format = "date-time" }),
}, { name = "MailboxMessage" })

local function page(name, type)
  return function()
    return reply.file({ path = sys.root() .. PAGES .. name, type = type,
      headers = { ["Cache-Control"] = "no-store", ["Content-Security-Policy"] = PAGE_POLICY } })
  end
end

local function route(method, path, summary, handler, more)
  return { method = method, path = path, base = "", summary = summary, permission = "public",
    rate = "open", tenant = false, authenticate = false, handler = handler, query = more.query,
    content = more.content, returns = more.returns }
end

local function list(ctx, input)
  local messages = mailbox.list(ctx, input.query.to and input.query.to:lower())
  return reply.raw(200, { ["Content-Type"] = JSON_TYPE, ["Cache-Control"] = "no-store" },
    json.encode(messages))
end

local function clear(ctx)
  mailbox.clear(ctx)
  return reply.ok(json.null, { headers = NO_STORE })
end

if not mailbox.is_there() then
  return {}
end

return {
  route("GET", "/dev/mailbox", "What was sent, as a page.",
    page("mailbox.html", "text/html; charset=utf-8"),
    { content = { type = "text/html" } }),
  route("GET", "/dev/mailbox.js", "The script of that page.",
    page("mailbox.js", "text/javascript; charset=utf-8"),
    { content = { type = "text/javascript" } }),
  route("GET", "/dev/mailbox.css", "The style of that page.",
    page("mailbox.css", "text/css; charset=utf-8"),
    { content = { type = "text/css" } }),
  route("GET", "/dev/mailbox.json", "What was sent, newest first.", list, {
    query = s.object({
      to = s.string({ min = 1, max = 320, trim = true, optional = true,
        describe = "only what was sent to this address or number" }),
    }),
    content = { type = "application/json", schema = s.array({ of = MESSAGE }) },
  }),
  route("DELETE", "/dev/mailbox", "Empty the mailbox.", clear, { returns = false }),
}
