-- Saving in a tenant's folder, as a developer does.
local context = require("core.context")
local db = require("core.db")
local fs = require("core.fs")
local log = require("core.log")
local uuid = require("core.uuid")
local active = require("services.scripts.active")
local commands = require("services.scripts.commands")
local development = require("services.scripts.development")
local drafts = require("services.scripts.drafts")
local folder = require("services.scripts.folder")
local releases = require("services.scripts.releases")

local system = context.system({ name = "test" })

describe("a tenant's folder", function()
  local root, tenant, ctx
  local original_root = folder.root

  local function save(path, content)
    local full = root .. "/" .. tenant.slug .. "/" .. path
    assert(fs.mkdir((full:gsub("/[^/]*$", ""))))
    assert(fs.write(full, content))
  end

  local function running()
    local now = active.find(ctx, tenant.id)
    return now and now.name
  end

  before_each(function()
    active.start()
    root = os.tmpname()
    os.remove(root)
    folder.root = function()
      return root
    end
    local id = uuid.v7()
    tenant = { id = id, slug = "t" .. id:gsub("%-", "") }
    db.platform(system):exec("INSERT INTO tenants (id, slug, organization_name) VALUES (?, ?, 'T')",
      id, tenant.slug)
    ctx = context.system({ name = "test", tenant = tenant })
  end)

  after_each(function()
    active.stop()
    folder.root = original_root
    os.execute("rm -rf " .. root)
  end)

  it("runs from the first save on", function()
    save("rules/a.lua", "local a = 1\n")
    development.look()
    assert.is_nil(running())
    save("rules/a.lua", "local a = 2\n")
    save("notes.txt", "no script")
    development.look()
    assert.equal("dev", running())
    local now = active.find(ctx, tenant.id)
    assert.same({ { path = "rules/a.lua", content = "local a = 2\n" } }, active.rules(ctx, now))
    development.look()
    assert.equal(now.id, active.find(ctx, tenant.id).id)
  end)

  it("stays what was published until the next save", function()
    save("rules/a.lua", "local a = 1\n")
    development.look()
    drafts.put(ctx, "rules/a.lua", "local a = 5\n")
    releases.publish(ctx, { message = "m" })
    development.look()
    assert.equal("1", running())
    save("rules/a.lua", "local a = 2\n")
    development.look()
    assert.equal("dev", running())
  end)

  it("is in the list of releases while it runs", function()
    save("rules/a.lua", "local a = 1\n")
    development.look()
    drafts.put(ctx, "rules/a.lua", "local a = 5\n")
    releases.publish(ctx, { message = "published" })
    save("rules/a.lua", "local a = 2\n")
    development.look()
    local lines = {}
    assert.is_true((commands.scripts.run({ args = { "releases" }, options = { tenant = tenant.slug },
      print = function(line)
        lines[#lines + 1] = line
      end }) or 0) == 0)
    assert.equal(2, #lines)
    assert.matches("^ dev  active    %S+  saved$", lines[1])
    assert.matches("^   1  retired   %S+  published$", lines[2])
  end)

  it("says what is wrong, and what ran goes on", function()
    local said, warn = {}, log.warn
    log.warn = function(_, message, fields)
      said[#said + 1] = message .. " " .. tostring(fields.file)
    end
    save("rules/a.lua", "local a = 1\n")
    development.look()
    save("rules/a.lua", "x = 1\n")
    development.look()
    log.warn = warn
    assert.same({ ("scripts: make 'x' local: a rule has no globals of its own tenants/%s/rules/a.lua:1:1")
      :format(tenant.slug) }, said)
    assert.is_nil(running())
  end)
end)
