local rows = require("core.rows")

describe("core.rows", function()
  local decode, decode_all = rows.decoder({ "tags", "extra" }, function(row)
    row.count = #row.tags
  end)

  it("decodes the JSON columns in place, then finishes the row", function()
    local row = { id = 1, tags = '["a","b"]', extra = '{"k":1}' }
    assert.equal(row, decode(row))
    assert.same({ "a", "b" }, { row.tags[1], row.tags[2] })
    assert.equal(1, row.extra.k)
    assert.equal(2, row.count)
  end)

  it("leaves a row that is not there alone", function()
    assert.is_nil(decode(nil))
  end)

  it("decodes every row of a list", function()
    local list = { { tags = "[]", extra = "{}" }, { tags = "[1]", extra = "{}" } }
    assert.equal(list, decode_all(list))
    assert.same({ 0, 1 }, { list[1].count, list[2].count })
  end)

  it("needs nothing to finish with", function()
    local decode_skills = rows.decoder({ "skills" })
    assert.equal("x", decode_skills({ skills = '["x"]' }).skills[1])
  end)
end)
