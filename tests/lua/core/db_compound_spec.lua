-- Queued statements as one; that a database takes them is seen in db_spec.
local compound = require("core.db_compound")

describe("a compound statement", function()
  local function of(sql, first, last)
    return (compound.of({ sql = sql, params = {}, count = 0 }, first, last))
  end

  it("holds the statements in order, and begins and ends the transaction when it is to", function()
    for _ = 1, 2 do -- put together, then kept
      assert.equal("BEGIN NOT ATOMIC a;\nb; END", of({ "a", "b" }, "", ""))
      assert.equal("BEGIN NOT ATOMIC b;\na; END", of({ "b", "a" }, "", ""))
      assert.equal("BEGIN NOT ATOMIC START TRANSACTION;\na; END", of({ "a" }, compound.START, ""))
      assert.equal("BEGIN NOT ATOMIC a; COMMIT; END", of({ "a" }, "", compound.COMMIT))
      assert.equal("BEGIN NOT ATOMIC START TRANSACTION;\na;\nb; COMMIT; END",
        of({ "a", "b" }, compound.START, compound.COMMIT))
      assert.equal("a", of({ "a" }, "", ""))
    end
  end)

  it("comes with its parameters, nils at the end included", function()
    local queue = { sql = { "a", "b" }, params = { 1, nil, 3 }, count = 4 }
    assert.equal(5, select("#", compound.of(queue, "", "")))
    assert.same({ 1, nil, 3 }, { select(2, compound.of(queue, "", "")) })
  end)

  it("is right for more texts, and for more statements, than are kept", function()
    for _ = 1, 2 do
      local many = {}
      for i = 1, 300 do
        assert.equal("BEGIN NOT ATOMIC a;\n" .. i .. "; END", of({ "a", tostring(i) }, "", ""))
        many[i] = tostring(i)
      end
      assert.equal("BEGIN NOT ATOMIC " .. table.concat(many, ";\n") .. "; COMMIT; END",
        of(many, "", compound.COMMIT))
    end
  end)
end)
