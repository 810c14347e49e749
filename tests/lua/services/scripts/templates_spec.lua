-- A tenant's own wording of its messages.
local context = require("core.context")
local db = require("core.db")
local plugin = require("core.plugin")
local system_routes = require("core.system_routes")
local uuid = require("core.uuid")
local active = require("services.scripts.active")
local drafts = require("services.scripts.drafts")
local record = require("services.scripts.record")
local releases = require("services.scripts.releases")
local templates = require("services.scripts.templates")
local view = require("services.scripts.runs_view")

local TYPE = "workorder.assigned"

describe("a template", function()
  local ctx

  setup(function()
    plugin.load(system_routes)
    active.start()
  end)

  teardown(function()
    active.stop()
  end)

  before_each(function()
    local id = uuid.v7()
    db.platform(context.system({ name = "test" })):exec(
      "INSERT INTO tenants (id, slug, organization_name) VALUES (?, ?, 'T')", id, "t" .. id:gsub("%-", ""))
    ctx = context.system({ name = "test",
      tenant = { id = id, name = "T", timezone = "UTC", settings = {}, tier = "free" } })
  end)

  local function worded(texts, content)
    drafts.put(ctx, "rules/a.lua", ("template(%q, 'email', %s)\n"):format(TYPE, texts))
    releases.publish(ctx, { message = "m" })
    content = content or {}
    return templates.override(ctx, TYPE, "email", { title = content.title or "A title",
      message = content.message or "A message", data = { title_of_work = content.work or "Lamp" } })
  end

  it("cuts a subject between characters", function()
    local made = worded("{ subject = 'x{{title_of_work}}', body = 'b' }", { work = ("é"):rep(150) })
    assert.equal("x" .. ("é"):rep(99), made.subject)
    made = worded("{ subject = function() return ('é'):rep(150) end, body = 'b' }")
    assert.equal(("é"):rep(100), made.subject)
  end)

  it("fills in what its author wrote, and nothing that others did", function()
    local content = { work = "{{title}}", message = "{{name}}", title = "{{tenant}} <b>" }
    local made = worded("{ body = '{{title_of_work}} of {{tenant}}', html = '<i>{{title}}</i>' }", content)
    assert.equal("{{tenant}} <b>", made.subject)
    assert.equal("{{title}} of T", made.text)
    assert.truthy(made.html:find("<i>{{tenant}} &lt;b&gt;</i>", 1, true))
    made = worded("{ subject = '{{title}}', body = function(m) return '<b>' .. m.title_of_work end }", content)
    assert.equal("<b>{{title}}", made.text)
    assert.truthy(made.html:find("&lt;b&gt;{{title}}", 1, true))
  end)

  it("leaves the message as it would be when a function gives no text", function()
    for given, told in pairs({ ["nil"] = "nothing", ["{}"] = "a table", ["true"] = "a boolean" }) do
      assert.is_nil(worded(("{ body = function() return %s end }"):format(given)))
      record.flush()
      local err = (view.list(ctx, { limit = 1 }))[1].error
      assert.equal("template: the function for body must return text, not " .. told, err.message)
      assert.same({ "rules/a.lua", 1 }, { err.file, err.line })
    end
    assert.equal("7", worded("{ body = function() return 7 end }").text)
  end)
end)
