-- The number that a release's texts are known by in the processes of scripts.
local plugin = require("core.plugin")
local system_routes = require("core.system_routes")
local parts = require("services.scripts.parts")

local A, B = { path = "rules/a.lua", content = "local a" }, { path = "rules/b.lua", content = "local b" }

describe("the number of a release", function()
  setup(function()
    plugin.load(system_routes)
  end)

  it("is the same for the same files, in whatever order, and whatever is no Lua", function()
    local number, given = parts.of({ A, B })
    assert.equal(number, (parts.of({ B, A })))
    assert.equal(number, (parts.of({ A, { path = "readme.md", content = "x" }, B })))
    assert.is_true(number % 1 == 0 and number > 0 and number < 2 ^ 53)
    assert.equal("prelude/catalogue.lua", given[1].name)
    assert.same({ name = "rules/a.lua", text = "local a" }, given[#given - 1])
    assert.same({ name = "rules/b.lua", text = "local b" }, given[#given])
  end)

  it("is another for other files, other texts, and other chunks of the prelude", function()
    local seen = {}
    local function another(files, chunks)
      local number = parts.of(files, chunks)
      assert.is_nil(seen[number])
      seen[number] = true
    end
    another({})
    another({ A })
    another({ A, B })
    another({ { path = A.path, content = B.content }, { path = B.path, content = A.content } })
    another({ { path = A.path, content = "local a\nrules/b.lua 7\nlocal b" } })
    another({ A }, { "spec" })
    another({}, { "spec" })
  end)
end)
