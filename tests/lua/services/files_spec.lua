-- Attachments, who may see them, and what is swept up.
local config = require("core.config")
local context = require("core.context")
local crypto = require("core.crypto")
local db = require("core.db")
local errors = require("core.errors")
local fs = require("core.fs")
local json = require("core.json")
local registry = require("core.registry")
local uuid = require("core.uuid")
local files = require("services.files")
local jobs = require("services.files.jobs")
local service = require("services.files.service")

local system = context.system({ name = "test" })

local function new_tenant()
  local id = uuid.v7()
  db.platform(system):exec("INSERT INTO tenants (id, slug, organization_name) VALUES (?, ?, 'T')",
    id, "t" .. id:gsub("%-", ""))
  return { id = id }
end

-- A content that is in the store already, as files.prepare leaves it.
local function content(text)
  local sha256 = crypto.hex(crypto.hash("sha256", text))
  local path = ("%s/%s/%s"):format(sha256:sub(1, 2), sha256:sub(3, 4), sha256)
  local full = config.get().server.data .. "/files/" .. path
  assert(fs.mkdir((full:gsub("/[^/]+$", ""))))
  assert(fs.write(full, text))
  return { sha256 = sha256, path = path, type = "image/png", size = #text, width = 3, height = 2,
    name = "C:\\photos\\a.png" }, full
end

local function attach(ctx, parent_id, prepared)
  return db.transaction(ctx, function(tx)
    return files.attach(tx, "t.parent", parent_id, prepared, { kind = "before" })
  end)
end

describe("files", function()
  local tenant, ctx, parent_id, allowed

  before_each(function()
    tenant = new_tenant()
    ctx = context.system({ name = "test", tenant = tenant })
    parent_id = uuid.v7()
    allowed = true
    registry.file_parents["t.parent"] = {
      can_read = function(_, id)
        return allowed and id == parent_id
      end,
      can_write = function()
        return false
      end,
    }
  end)

  after_each(function()
    registry.file_parents["t.parent"] = nil
  end)

  it("are seen by whoever sees their parent, and not by who brought them", function()
    local citizen = context.new({ tenant = tenant, actor = { kind = "user", permissions = {} } })
    citizen.actor.user_id = uuid.v7()
    db.platform(system):exec("INSERT INTO users (id, email, first_name, last_name) VALUES (?, ?, 'A', 'B')",
      citizen.actor.user_id, citizen.actor.user_id .. "@example.org")
    local id = attach(citizen, parent_id, { (content("mine")) })[1].fileId
    assert.equal(id, service.find(citizen, id).id)
    allowed = false
    local _, err = pcall(service.find, citizen, id)
    assert.is_true(errors.is(err, "NOT_FOUND"))
  end)

  it("are listed on their parent in order, content shared", function()
    local prepared = content("one")
    attach(ctx, parent_id, { prepared })
    attach(ctx, parent_id, { prepared, (content("two")) })
    local list = files.list(ctx, "t.parent", parent_id)
    assert.equal(3, #list)
    for i, attachment in ipairs(list) do
      assert.equal(i - 1, attachment.position)
      assert.equal("before", attachment.kind)
      assert.equal("/api/v1/files/" .. attachment.fileId, attachment.url)
    end
    assert.equal(json.encode(list, { sorted = true }), files.list_text(ctx, "t.parent", parent_id))
    assert.equal("[]", files.list_text(ctx, "t.parent", uuid.v7()))
    local row = db.scope(ctx):one(
      "SELECT original_name FROM files WHERE tenant_id = :tenant AND id = ?", list[1].fileId)
    assert.equal("a.png", row.original_name)
  end)

  it("are seen by who may see the parent, and by nobody of another tenant", function()
    local file_id = attach(ctx, parent_id, { (content("three")) })[1].fileId
    assert.equal(file_id, service.find(ctx, file_id).id)
    local function hidden(reader)
      local ok, err = pcall(service.find, reader, file_id)
      assert.is_false(ok)
      assert.is_true(errors.is(err, "NOT_FOUND"))
    end
    hidden(context.system({ name = "test", tenant = new_tenant() }))
    allowed = false
    hidden(ctx)
  end)

  it("are deleted only as what the caller has seen", function()
    registry.file_parents["t.parent"].can_write = function()
      return true
    end
    local prepared = content("seen")
    local file_id = attach(ctx, parent_id, { prepared })[1].fileId
    local header
    ctx.req = { header = function()
      return header
    end }
    for _, stale in ipairs({ '"other"', 'W/"' .. prepared.sha256 .. '"' }) do
      header = stale
      local ok, err = pcall(service.delete, ctx, file_id)
      assert.is_false(ok)
      assert.is_true(errors.is(err, "PRECONDITION_FAILED"))
    end
    header = '"' .. prepared.sha256 .. '"'
    service.delete(ctx, file_id)
    assert.is_false((pcall(service.find, ctx, file_id)))
  end)

  it("can be seen but not deleted without the right to change the parent", function()
    local file_id = attach(ctx, parent_id, { (content("four")) })[1].fileId
    local ok, err = pcall(service.delete, ctx, file_id)
    assert.is_false(ok)
    assert.is_true(errors.is(err, "FORBIDDEN"))
  end)

  it("are swept up an hour after they came when nobody has attached them", function()
    local kept, kept_path = content("kept")
    attach(ctx, parent_id, { kept })
    local _, fresh_path = content("fresh")
    local _, old_path = content("old")
    for _, path in ipairs({ kept_path, old_path }) do
      assert.equal(0, os.execute("touch -d '2 hours ago' " .. path))
    end
    jobs.handlers["files.sweep"].run(system)
    assert.truthy(fs.stat(kept_path))
    assert.truthy(fs.stat(fresh_path))
    assert.is_nil((fs.stat(old_path)))
  end)
end)
