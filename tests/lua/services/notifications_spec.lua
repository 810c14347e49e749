-- Messages on a real database: they commit with what they tell of, and one key is one message.
local context = require("core.context")
local db = require("core.db")
local json = require("core.json")
local uuid = require("core.uuid")
local notifications = require("services.notifications")
local delivery = require("services.notifications.delivery")
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

describe("a notification", function()
  it("is a row of its reader, with its mail", function()
    local user_id = uuid.v7()
    db.platform(system):exec("INSERT INTO users (id, email) VALUES (?, ?)", user_id, user_id .. "@n.test")
    local id = db.transaction(system, function(ctx)
      return notifications.notify(ctx, { user_id = user_id, type = "t.told", title = "Fixed",
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
