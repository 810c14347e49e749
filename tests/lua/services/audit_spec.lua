-- The audit trail: no secrets in it, and no way to change it.
local context = require("core.context")
local db = require("core.db")
local json = require("core.json")
local audit = require("services.audit")

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

  it("needs a transaction", function()
    assert.has_error(function()
      audit.write(system, { action = "a.b", resource_type = "a" })
    end)
  end)
end)
