-- Mails through a mail server: told once, tried again, given up; and the mailbox where there is none.
local cqueues = require("cqueues")
local basexx = require("basexx")
local mailbox = require("tests.support.mailbox")
local servers = require("tests.support.server")
local smtp_server = require("tests.support.smtp_server")

local PASSWORD = "Fixxit-demo-2026"

-- The text part of a mail, decoded (quoted-printable).
local function text_of(data)
  local part = data:match("Content%-Type: text/plain.-\n\n(.-)\n%-%-=_")
  return (part:gsub("=\n", ""):gsub("=(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

describe("a mail", function()
  local sink, server, api

  setup(function()
    sink = smtp_server.start()
    server = servers.start({ env = { SMTP_HOST = "127.0.0.1", SMTP_PORT = sink.port, FIXXIT_MAIL_TLS = "none",
      EMAIL_FROM = "city@riverton.example", EMAIL_FROM_NAME = "Riverton",
      FRONTEND_URL = "https://app.riverton.example/,https://other.example" } })
    api = server.api
  end)

  teardown(function()
    server:stop()
    sink:stop()
  end)

  local function register(email)
    local answer = api:post("/auth/register", { json = { email = email, password = PASSWORD,
      fullName = "J\195\188rgen <script>" } })
    assert.equal(201, answer.status, answer.body)
    return answer.json.data
  end

  local function deliveries(user_id)
    return server:sql("SELECT state, attempts, COALESCE(error, '-'), content IS NULL FROM "
      .. "notification_deliveries WHERE user_id = '" .. user_id .. "'")
  end

  local function wait_for(user_id, expected)
    local deadline = cqueues.monotime() + 90
    repeat
      local found = deliveries(user_id)
      if found:find(expected) then
        return
      end
      cqueues.sleep(0.05)
    until cqueues.monotime() > deadline
    error(deliveries(user_id))
  end

  it("is handed to the mail server, with links to the pages", function()
    local ann = register("juergen@mail.example")
    local mail = sink:take()
    assert.same({ "city@riverton.example", "juergen@mail.example" }, { mail.from, mail.to })
    assert.matches('From: "Riverton" <city@riverton.example>', mail.data)
    assert.matches("Subject: Confirm your address", mail.data)
    assert.matches("Auto%-Submitted: auto%-generated", mail.data)
    assert.truthy(mail.data:find(basexx.to_base64("J\195\188rgen <script>"), 1, true)) -- the name, in To
    local text = text_of(mail.data)
    assert.matches("Hello J\195\188rgen,", text)
    local secret = text:match("https://app.riverton.example/verify%-email%?token=([%w_-]+)")
    wait_for(ann.user.id, "sent\t1\t%-\t1")
    assert.equal(200, api:post("/auth/verify-email", { json = { token = secret } }).status)
    assert.same({}, mailbox.list(api, "juergen@mail.example")) -- it left the house
  end)

  it("is tried again after a while under the same name, and sent once", function()
    local ann = register("again@mail.example")
    local first = sink:take({ END = "451 later" })
    wait_for(ann.user.id, "waiting\t1\tTEMPORARY\t0")
    local second = sink:take()
    wait_for(ann.user.id, "sent\t2\t%-\t1")
    local name = first.data:match("Message%-ID: (%S+)")
    assert.truthy(name)
    assert.equal(name, second.data:match("Message%-ID: (%S+)"))
    assert.equal("1", server:sql("SELECT COUNT(*) FROM notification_deliveries WHERE user_id = '"
      .. ann.user.id .. "'"):match("%d+"))
  end)

  it("is given up when the server refuses it for good", function()
    local ann = register("nobody@mail.example")
    sink:take({ RCPT = "550 no such mailbox nobody@mail.example" })
    wait_for(ann.user.id, "failed\t1\tREFUSED\t1")
  end)

  it("does not go out when what it tells of did not happen", function()
    local before = server:sql("SELECT COUNT(*) FROM notification_deliveries")
    assert.equal(409, api:post("/auth/register", { json = { email = "again@mail.example",
      password = PASSWORD, fullName = "Ann" } }).status)
    assert.equal(before, server:sql("SELECT COUNT(*) FROM notification_deliveries"))
  end)

  it("leaves no address and no secret behind, in the log or the database", function()
    local log = server:log_text()
    log = log:match("Ctrl%-C ends it%.(.*)") or log
    assert.is_nil(log:find("@mail.example", 1, true), log)
    assert.is_nil(log:find("token=", 1, true))
    for _, table_name in ipairs({ "jobs", "notification_deliveries" }) do
      local _, dump = servers.shell(("mariadb-dump --no-defaults -uroot -S %s/run/mariadb.sock fixxit %s"):format(
        server.data, table_name))
      assert.is_nil(dump:find("@mail.example", 1, true), table_name)
    end
  end)
end)

describe("the mailbox", function()
  local server, api

  setup(function()
    server = servers.start()
    api = server.api
  end)

  teardown(function()
    server:stop()
  end)

  it("holds what would have been sent, newest first, by recipient", function()
    for _, name in ipairs({ "one", "two" }) do
      api:post("/auth/register", { json = { email = name .. "@box.example", password = PASSWORD,
        fullName = "Bo <img src=x>" } })
      mailbox.wait(api, name .. "@box.example", "Confirm")
    end
    local all = api:get("/dev/mailbox.json", { root = true }).json
    assert.same({ "two@box.example", "one@box.example" }, { all[1].to, all[2].to })
    local one = mailbox.list(api, "ONE@box.example")
    assert.equal(1, #one)
    for _, name in ipairs({ "id", "channel", "to", "subject", "text", "html", "sentAt" }) do
      assert.is_string(one[1][name], name)
    end
    assert.is_nil(one[1].html:find("<img", 1, true))
    assert.equal(200, api:delete("/dev/mailbox", { root = true }).status)
    assert.equal("[]", api:get("/dev/mailbox.json", { root = true }).body)
  end)

  it("is a page", function()
    local page = api:get("/dev/mailbox", { root = true })
    assert.equal(200, page.status)
    assert.equal("text/html; charset=utf-8", page.headers["content-type"])
    for path, kind in pairs({ ["/dev/mailbox.js"] = "text/javascript", ["/dev/mailbox.css"] = "text/css" }) do
      assert.truthy(page.body:find(path, 1, true))
      assert.matches(kind, api:get(path, { root = true }).headers["content-type"])
    end
  end)

  it("links to pages that this server has, when there is no other frontend", function()
    for _, path in ipairs({ "/verify-email", "/reset-password" }) do
      local page = api:get(path .. "?token=x", { root = true })
      assert.equal(200, page.status)
      assert.matches("text/html", page.headers["content-type"])
      assert.equal("no-referrer", page.headers["referrer-policy"])
      assert.matches("default%-src 'none'", page.headers["content-security-policy"])
      for asset in page.body:gmatch('["\'](/account%.%a+)["\']') do
        assert.equal(200, api:get(asset, { root = true }).status)
      end
    end
  end)

  it("is not there in production", function()
    local code, routes = servers.shell(("FIXXIT_ENV=production JWT_SECRET=%s DB_SOCKET=/nowhere %s routes"):format(
      ("s"):rep(40), servers.BIN))
    assert.equal(0, code, routes)
    assert.truthy(routes:find("/api/v1/auth/login", 1, true))
    assert.is_nil(routes:find("/dev/", 1, true))
  end)
end)
