-- Messages on a real database: they commit with what they tell of, and one key is one message.
local config = require("core.config")
local context = require("core.context")
local db = require("core.db")
local http_client = require("core.http_client")
local identity = require("services.identity")
local json = require("core.json")
local registry = require("core.registry")
local time = require("core.time")
local uuid = require("core.uuid")
local events = require("services.events")
local notifications = require("services.notifications")
local delivery = require("services.notifications.delivery")
local digest = require("services.notifications.digest")
local mailbox_of = require("services.notifications.mailbox")
local preferences_of = require("services.notifications.preferences")
local sms_carrier = require("services.notifications.sms_carrier")
local template = require("services.notifications.template")

local system = context.system({ name = "test" })

local TEMPLATE = {
  subject = "Lamp at {{place}}",
  paragraphs = { "Hello {{name}},", "the lamp at {{place}} < works > again." },
  action = { label = "See it", url = "{{link}}" },
  note = "Not you? Ignore it.",
}
local DATA = { name = "Bo <b>", place = "A & B", link = 'https://x.example/?a=1&b="2"' }

local function sql(text, ...)
  return db.platform(system):one(text, ...)
end

local function deliver(id)
  return delivery.deliver(system, { deliveryId = id }, { attempt = 1 })
end

local function send(key, address)
  return db.transaction(system, function(ctx)
    return notifications.mail(ctx, { to = { address = address or "bo@notify.example" }, type = "t.mail",
      template = TEMPLATE, data = DATA, key = key })
  end)
end

describe("a template", function()
  it("says the same as text and as HTML, where nothing of the data is markup", function()
    local made = template.render(TEMPLATE, DATA)
    assert.equal("Lamp at A & B", made.subject)
    assert.equal('Hello Bo <b>,\n\nthe lamp at A & B < works > again.\n\nSee it:\n'
      .. 'https://x.example/?a=1&b="2"\n\nNot you? Ignore it.\n', made.text)
    assert.truthy(made.html:find("Hello Bo &lt;b&gt;,", 1, true))
    assert.truthy(made.html:find("A &amp; B &lt; works &gt; again.", 1, true))
    assert.truthy(made.html:find('href="https://x.example/?a=1&amp;b=&quot;2&quot;"', 1, true))
    assert.is_nil(made.html:find("<b>", 1, true))
  end)

  it("does not go out with a gap", function()
    assert.has_error(function()
      template.render(TEMPLATE, { name = "Bo", place = "A" })
    end, "mail template: there is no value for link")
  end)
end)

describe("a mail", function()
  it("is sent once for one key, whoever asks and however often it is carried out", function()
    local id = send("key 1")
    assert.is_nil(send("key 1"))
    deliver(id)
    deliver(id)
    assert.equal(1, sql("SELECT COUNT(*) AS n FROM mailbox_messages WHERE recipient = ?",
      "bo@notify.example").n)
    local row = sql("SELECT state, attempts, content FROM notification_deliveries WHERE id = ?", id)
    assert.same({ "sent", 1, nil }, { row.state, row.attempts, row.content })
  end)

  it("is never sent when the transaction is undone", function()
    pcall(db.transaction, system, function(ctx)
      notifications.mail(ctx, { to = { address = "undone@notify.example" }, type = "t.mail",
        template = TEMPLATE, data = DATA, key = "key 2" })
      error("undone", 0)
    end)
    assert.is_nil(sql("SELECT id FROM notification_deliveries WHERE idempotency_key = 'key 2'"))
    assert.equal(0, sql("SELECT COUNT(*) AS n FROM jobs WHERE payload LIKE '%undone%'").n)
    assert.truthy(send("key 2", "later@notify.example"))
  end)

  it("lies sealed in the database until it is sent", function()
    local id = send(nil, "sealed@notify.example")
    local row = sql("SELECT content FROM notification_deliveries WHERE id = ?", id)
    assert.is_nil(row.content:find("sealed@notify", 1, true))
    assert.is_nil(sql("SELECT payload FROM jobs ORDER BY id DESC LIMIT 1").payload:find("@", 1, true))
  end)

  it("that does not open any more is given up", function()
    local id = send(nil, "broken@notify.example")
    db.platform(system):exec("UPDATE notification_deliveries SET content = 'x' WHERE id = ?", id)
    local ok, err = pcall(deliver, id)
    assert.is_false(ok)
    assert.is_true(err.permanent)
    assert.equal("failed", sql("SELECT state FROM notification_deliveries WHERE id = ?", id).state)
  end)
end)

describe("a letter about an account", function()
  it("is a row of its reader, with its mail", function()
    local user_id = uuid.v7()
    db.platform(system):exec("INSERT INTO users (id, email) VALUES (?, ?)", user_id, user_id .. "@n.test")
    local id = db.transaction(system, function(ctx)
      return notifications.letter(ctx, { user_id = user_id, type = "t.told", title = "Fixed",
        message = "The lamp works.", data = { lamp = 7 },
        mail = { to = { address = "told@notify.example" }, template = TEMPLATE, data = DATA } })
    end)
    local row = sql("SELECT user_id, type, title, message, data FROM notifications WHERE id = ?", id)
    assert.same({ user_id, "t.told", "Fixed", "The lamp works.", 7 }, { row.user_id, row.type, row.title,
      row.message, json.decode(row.data).lamp })
    assert.truthy(sql("SELECT id FROM notification_deliveries WHERE notification_id = ?", id))
    db.transaction(system, function(ctx)
      notifications.personal.erase(ctx, user_id)
    end)
    assert.is_nil(sql("SELECT id FROM notifications WHERE id = ?", id))
    assert.is_nil(sql("SELECT id FROM notification_deliveries WHERE notification_id = ?", id))
  end)
end)

describe("preferences", function()
  local function said(fields)
    return { channels = fields.channels or {}, types = fields.types or {},
      quietHours = fields.quietHours, digest = fields.digest or "off" }
  end

  it("say by which channels a message goes", function()
    local function channels(preferences, asked)
      local list = {}
      for _, channel in ipairs({ "in_app", "email", "sms", "push" }) do
        if preferences_of.allows(preferences, "t.x", channel, asked and asked[channel]) then
          list[#list + 1] = channel
        end
      end
      return table.concat(list, " ")
    end
    assert.equal("in_app email", channels(said({})))
    assert.equal("in_app sms", channels(said({ channels = { email = false, sms = true } })))
    assert.equal("in_app email", channels(said({ channels = { email = false },
      types = { ["t.x"] = { email = true } } })))
    assert.equal("in_app email", channels(said({ types = { ["t.y"] = { email = false } } })))
    assert.is_true(preferences_of.allows(said({}), "t.x", "sms", true)) -- escalated
    assert.is_false(preferences_of.allows(said({ channels = { sms = false } }), "t.x", "sms", true))
  end)

  it("keep a message until the quiet hours end", function()
    local night = said({ quietHours = { start = "22:00", ["end"] = "07:00", timezone = "Europe/Rome" } })
    local noon = said({ quietHours = { start = "12:00", ["end"] = "13:30" } })
    for _, case in ipairs({
      { night, "2026-01-10T20:59:00Z", "2026-01-10T20:59:00Z" },
      { night, "2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z" },
      { night, "2026-01-11T05:59:00Z", "2026-01-11T06:00:00Z" },
      { night, "2026-01-11T06:00:00Z", "2026-01-11T06:00:00Z" },
      { night, "2026-03-28T23:00:00Z", "2026-03-29T05:00:00Z" }, -- a shorter night
      { noon, "2026-07-01T11:30:00Z", "2026-07-01T12:30:00Z" }, -- in London
      { noon, "2026-07-01T12:30:00Z", "2026-07-01T12:30:00Z" },
      { said({}), "2026-07-01T02:00:00Z", "2026-07-01T02:00:00Z" },
    }) do
      assert.equal(time.parse(case[3]),
        preferences_of.after_quiet(case[1], "Europe/London", time.parse(case[2])), case[2])
    end
  end)

  it("say when the next digest goes out", function()
    local function next_digest(how, now)
      local at = preferences_of.next_digest(said({ digest = how }), "Europe/Rome", time.parse(now))
      return at and time.iso(at):sub(1, 16)
    end
    assert.is_nil(next_digest("off", "2026-07-01T05:59:00Z"))
    assert.equal("2026-07-01T06:00", next_digest("hourly", "2026-07-01T05:59:00Z"))
    assert.equal("2026-07-01T07:00", next_digest("hourly", "2026-07-01T06:00:00Z"))
    assert.equal("2026-07-01T06:00", next_digest("daily", "2026-07-01T05:59:00Z"))
    assert.equal("2026-07-02T06:00", next_digest("daily", "2026-07-01T06:00:00Z"))
  end)
end)

describe("a notification", function()
  local tenant, ctx, people

  local function member(role)
    return identity.members_with_role(ctx, { role })[1]
  end

  local function notify(message)
    message.type, message.title = message.type or "t.told", message.title or "Live wire"
    message.message = message.message or "At the gate"
    return db.transaction(ctx, function(tx)
      return notifications.notify(tx, message)
    end)
  end

  local function prefer(person, preferences)
    db.platform(system):exec("REPLACE INTO notification_preferences (user_id, preferences) VALUES (?, ?)",
      person.id, json.encode(preferences))
  end

  -- What a person got by each channel, in order: "email in_app".
  local function got(person, type)
    local rows = db.platform(system):query([[
      SELECT channel FROM notification_deliveries WHERE user_id = ? AND type = ?
      UNION ALL SELECT 'in_app' FROM notifications WHERE user_id = ? AND type = ?
      ORDER BY channel]], person.id, type, person.id, type)
    local list = {}
    for i, row in ipairs(rows) do
      list[i] = row.channel
    end
    return table.concat(list, " ")
  end

  local function carry_out(person, type)
    for _, row in ipairs(db.platform(system):query("SELECT id FROM notification_deliveries "
      .. "WHERE user_id = ? AND type = ? ORDER BY id", person.id, type)) do
      deliver(row.id)
    end
  end

  local function mailbox(to)
    return db.platform(system):query(
      "SELECT channel, subject, text, html FROM mailbox_messages WHERE recipient = ? ORDER BY id", to)
  end

  local hooks, audiences = registry.hooks, registry.audiences

  setup(function()
    registry.hooks = { recipients = identity.hooks.recipients, find_tenant = identity.find_tenant }
    registry.audiences = { team = function() end }
    require("services.identity.seed").run(system)
    tenant = identity.find_tenant_by_slug(system, "riverton")
    ctx = context.system({ tenant = tenant, name = "spec" })
    people = { dispatcher = member("dispatcher"), owner = member("owner"), viewer = member("viewer"),
      admin = member("admin") }
    db.platform(system):exec("UPDATE users SET phone = '+44 117 (496) 0007' WHERE id = ?",
      people.dispatcher.id)
    db.platform(system):exec("UPDATE users SET phone = '0117 496 0008' WHERE id = ?", people.owner.id)
  end)

  teardown(function()
    registry.hooks, registry.audiences = hooks, audiences
  end)

  it("goes to people and to those with a role, each once", function()
    assert.equal(2, notify({ type = "t.role", to = { users = { people.dispatcher.id, people.owner.id },
      roles = { "dispatcher" } } }))
    assert.equal("email in_app", got(people.dispatcher, "t.role"))
    assert.equal("email in_app", got(people.owner, "t.role"))
    assert.equal("", got(people.viewer, "t.role"))
  end)

  it("is told of in an event that only its reader's key opens", function()
    notify({ type = "t.event", title = "Live wire", message = "At the gate", data = { lamp = "No 7" },
      to = { users = { people.dispatcher.id } } })
    local row = sql("SELECT payload, personal FROM outbox WHERE resource_id = ? ORDER BY id DESC LIMIT 1",
      people.dispatcher.id)
    for _, word in ipairs({ "Live wire", "At the gate", "No 7" }) do
      assert.is_nil((row.payload .. row.personal):find(word, 1, true))
    end
    local data = events.open(ctx, { data = json.decode(row.payload),
      personal = json.decode(row.personal) }).data
    assert.same({ "t.event", people.dispatcher.id, "Live wire", "At the gate", "No 7" },
      { data.type, data.userId, data.title, data.message, data.data.lamp })
  end)

  it("goes to those who have a role besides their own", function()
    local role_id = uuid.v7()
    db.platform(system):exec("INSERT INTO roles (id, tenant_id, name) VALUES (?, ?, 'warden')",
      role_id, tenant.id)
    assert.equal(0, notify({ type = "t.held", to = { roles = { "warden" } } }))
    for _, person in ipairs({ people.viewer, people.owner }) do
      db.platform(system):exec("INSERT INTO user_roles (tenant_id, user_id, role_id) VALUES (?, ?, ?)",
        tenant.id, person.id, role_id)
    end
    assert.equal(2, notify({ type = "t.held", to = { roles = { "warden", "viewer" } } }))
    assert.equal("email in_app", got(people.owner, "t.held"))
    assert.equal("email in_app", got(people.viewer, "t.held"))
  end)

  it("goes to nobody of another tenant, and to no group that is none", function()
    local stranger = identity.members_with_role(context.system({ name = "spec",
      tenant = identity.find_tenant_by_slug(system, "northgrid") }), { "owner" })[1]
    for field, to in pairs({
      ["to.users"] = { users = { people.owner.id, stranger.id } },
      ["to.roles"] = { roles = { "king" } },
      ["to.team"] = { groups = { team = { "Knights" } } },
      ["to.guild"] = { groups = { guild = { "Roads" } } },
    }) do
      local ok, err = pcall(notify, { type = "t.none", to = to })
      assert.is_false(ok)
      assert.equal(field, err.details[1].field)
    end
    assert.equal("", got(people.owner, "t.none"))
    assert.equal("", got(stranger, "t.none"))
  end)

  it("goes by the channels asked for, as far as the person wants them and can be reached", function()
    prefer(people.viewer, { channels = { sms = false } })
    db.platform(system):exec("UPDATE users SET phone = '+441174960009' WHERE id = ?", people.viewer.id)
    notify({ type = "t.sms", to = { roles = { "dispatcher", "owner", "viewer" } },
      channels = { "sms", "push" } })
    assert.equal("push sms", got(people.dispatcher, "t.sms"))
    assert.equal("push", got(people.owner, "t.sms")) -- a number without its country
    assert.equal("push", got(people.viewer, "t.sms"))
    carry_out(people.dispatcher, "t.sms")
    local sms = mailbox("+441174960007")
    assert.same({ 1, "sms", "Live wire: At the gate" }, { #sms, sms[1].channel, sms[1].text })
    assert.equal("Live wire", mailbox("push:" .. people.dispatcher.id)[1].subject)
  end)

  it("is not sent by a channel that leads nowhere", function()
    stub(mailbox_of, "is_there", function()
      return false -- as in production
    end)
    notify({ type = "t.nowhere", to = { users = { people.dispatcher.id } },
      channels = { "email", "sms", "push", "in_app" } })
    mailbox_of.is_there:revert()
    assert.equal("email in_app", got(people.dispatcher, "t.nowhere"))
  end)

  it("is told once for one key, and kept over the quiet hours", function()
    prefer(people.admin, { quietHours = { start = "00:00", ["end"] = "23:59", timezone = "UTC" } })
    for _ = 1, 2 do
      notify({ type = "t.once", to = { users = { people.admin.id } }, key = "once" })
    end
    assert.equal("email in_app", got(people.admin, "t.once"))
    local job = sql([[SELECT run_at > NOW(3) AS later FROM jobs WHERE name = 'notifications.deliver'
      AND JSON_VALUE(payload, '$.deliveryId') = (SELECT id FROM notification_deliveries
        WHERE user_id = ? AND type = 't.once')]], people.admin.id)
    local now = time.iso(time.now_ms()):sub(12, 16)
    assert.equal(now < "23:59" and 1 or 0, tonumber(job.later))
  end)

  it("is one of a digest where that is wanted, in the order in which it came", function()
    prefer(people.owner, { digest = "hourly" })
    for i = 1, 3 do
      notify({ type = "t.digest", title = "Thing " .. i, message = "Said < " .. i,
        to = { users = { people.owner.id } }, channels = { "email" } })
    end
    carry_out(people.owner, "nothing")
    local jobs = db.platform(system):query(
      "SELECT payload FROM jobs WHERE name = 'notifications.digest' AND payload LIKE ?",
      "%" .. people.owner.id .. "%")
    assert.equal(1, #jobs)
    for _ = 1, 2 do -- a job may run again
      digest.run(system, json.decode(jobs[1].payload))
    end
    carry_out(people.owner, "notifications.digest")
    local mails = {}
    for _, mail in ipairs(mailbox("owner@riverton.example")) do
      mails[#mails + 1] = mail.subject and mail.subject:find("notifications") and mail or nil
    end
    assert.equal(1, #mails)
    assert.equal("3 notifications", mails[1].subject)
    assert.truthy(mails[1].text:find("Thing 1\nSaid < 1\n\nThing 2\nSaid < 2\n\nThing 3", 1, true))
    assert.truthy(mails[1].html:find("Said &lt; 3", 1, true))
    local left = sql("SELECT COUNT(*) AS n FROM notification_deliveries WHERE type = 't.digest' "
      .. "AND (state <> 'sent' OR content IS NOT NULL)").n
    assert.equal(0, left)
  end)
end)

describe("a text message", function()
  local sms

  setup(function()
    sms = config.get().sms
    sms.account, sms.token, sms.from = "AC1", "secret", "+15005550006"
  end)

  teardown(function()
    sms.account, sms.token, sms.from = "", "", ""
  end)

  -- What is made of what the provider says.
  local function outcome(answer, err)
    local asked
    stub(http_client, "request", function(options)
      asked = options
      return answer, err
    end)
    local ok, code = sms_carrier.send("id", { to = "+441174960007", text = "Späť & more" })
    http_client.request:revert()
    return ok or code, asked
  end

  it("is handed to the provider", function()
    assert.is_true(sms_carrier.is_configured())
    local ok, asked = outcome({ status = 201 })
    assert.is_true(ok)
    assert.equal("https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json", asked.url)
    assert.equal("Basic QUMxOnNlY3JldA==", asked.headers.Authorization)
    assert.equal("To=%2B441174960007&From=%2B15005550006&Body=Sp%C3%A4%C5%A5%20%26%20more", asked.body)
  end)

  it("is tried again when the provider is away, not when it says no", function()
    assert.equal("REFUSED", (outcome({ status = 400 })))
    assert.equal("TEMPORARY", (outcome({ status = 429 })))
    assert.equal("TEMPORARY", (outcome({ status = 503 })))
    assert.equal("TIMEOUT", (outcome(nil, { code = "TIMEOUT" })))
  end)
end)
