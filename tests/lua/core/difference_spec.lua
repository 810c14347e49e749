local difference = require("core.difference")
local json = require("core.json")

describe("a difference", function()
  it("is made of the fields that are otherwise", function()
    local old = { title = "a", tags = json.array({ "x" }), place = { lat = 1, lng = 2 }, gone = 1 }
    local new = { title = "b", tags = json.array({ "x" }), place = { lng = 2, lat = 1 }, extra = true }
    assert.same({ title = "b", extra = true, gone = json.null }, difference(old, new))
    assert.same({ title = "a", gone = 1, extra = json.null }, difference(new, old))
    assert.equal("{}", json.encode(difference(old, old)))
  end)
end)
