-- The audit trail: no secrets in it, and no way to change it.
local context = require("core.context")
local db = require("core.db")
local json = require("core.json")
local audit = require("services.audit")
local persons = require("services.persons")

local system = context.system({ name = "test" })

describe("the audit trail", function()
  it("leaves out what is secret, however deep", function()
    local clean = audit.without_secrets({ name = "x", password = "p",
      nested = { refreshToken = "t", list = json.array({ { apiKey = "k", kept = 1 } }) } })
    assert.same({ name = "x", nested = { list = { { kept = 1 } } } }, clean)
  end)

  it("commits with the change, and rows stay as they are", function()
    local id = require("core.uuid").v7()
    db.transaction(system, function(tx)
      audit.write(tx, { action = "thing.create", resource_type = "thing", resource_id = id,
        new = { name = "x", passwordHash = "h" } })
    end)
    local row = db.platform(system):one(
      "SELECT actor, new_values, request_id FROM audit_logs WHERE resource_id = ?", id)
    assert.equal("test", row.actor)
    assert.equal('{"name":"x"}', row.new_values)
    assert.equal(system.request_id, row.request_id)
    for _, statement in ipairs({ "UPDATE audit_logs SET action = 'x' WHERE resource_id = ?",
      "DELETE FROM audit_logs WHERE resource_id = ?" }) do
      local ok, err = pcall(function()
        return db.platform(system):exec(statement, id)
      end)
      assert.is_false(ok)
      assert.matches("append%-only", tostring(err))
    end
  end)

  it("holds what names a person under a key that erasure destroys", function()
    local uuid = require("core.uuid")
    local user_id, other_id = uuid.v7(), uuid.v7()
    for _, id in ipairs({ user_id, other_id }) do
      db.platform(system):exec("INSERT INTO users (id, email) VALUES (?, ?)", id, id .. "@a.test")
    end
    local as_user = system:with({ actor = { kind = "user", user_id = user_id, permissions = {} } })
    db.transaction(as_user, function(tx)
      audit.write(tx, { action = "user.update", resource_type = "user", resource_id = user_id,
        person = user_id, old = { firstName = "Xanthippe", role = "viewer" },
        new = { firstName = "Xenia", phone = "+1 555 0100", role = "admin" } })
      audit.write(tx, { action = "user.ban", resource_type = "user", resource_id = other_id,
        person = other_id, new = { email = "other@a.test" } })
    end)
    local row = db.platform(system):one("SELECT old_values, new_values FROM audit_logs "
      .. "WHERE resource_id = ?", user_id)
    assert.is_nil((row.old_values .. row.new_values):find("Xanthippe", 1, true))
    assert.is_nil((row.old_values .. row.new_values):find("555", 1, true))
    assert.equal("admin", json.decode(row.new_values).role)

    local function entries()
      local list = audit.list_of(as_user, user_id, { limit = 10 })
      return list[2], list[1] -- newest first
    end
    local own, others = entries()
    assert.same({ firstName = "Xenia", phone = "+1 555 0100", role = "admin" }, own.new)
    assert.same({ firstName = "Xanthippe", role = "viewer" }, own.old)
    assert.is_nil(others.new) -- of somebody else's account nothing is shown

    db.transaction(system, function(tx)
      persons.forget(tx, user_id)
    end)
    assert.same({ role = "admin" }, (entries()).new)
    db.transaction(as_user, function(tx) -- what comes later is not kept either
      audit.write(tx, { action = "user.late", resource_type = "user", resource_id = user_id,
        person = user_id, new = { phone = "+1 555 0199", role = "owner" } })
    end)
    assert.equal('{"role":"owner"}', db.platform(system):one(
      "SELECT new_values FROM audit_logs WHERE action = 'user.late'").new_values)
  end)

  it("needs a transaction", function()
    assert.has_error(function()
      audit.write(system, { action = "a.b", resource_type = "a" })
    end)
  end)
end)
