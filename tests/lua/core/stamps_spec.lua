-- What is kept for a moment must not outlive a change that this node made.
local stamps = require("core.stamps")
local context = require("core.context")
local db = require("core.db")

describe("the stamp of an id", function()
  local ID = "01a1fe30-4a20-7801-8518-f6b2802ed6f8"
  local ctx = context.system({ name = "spec" })

  it("moves when a transaction that touched it commits, not before", function()
    local before = stamps.of(ID)
    db.transaction(ctx, function(tx)
      stamps.touch(tx, ID)
      assert.equal(before, stamps.of(ID))
    end)
    assert.not_equal(before, stamps.of(ID))
  end)

  it("stays when the transaction is undone", function()
    local before = stamps.of(ID)
    pcall(db.transaction, ctx, function(tx)
      stamps.touch(tx, ID)
      error("no")
    end)
    assert.equal(before, stamps.of(ID))
  end)
end)
