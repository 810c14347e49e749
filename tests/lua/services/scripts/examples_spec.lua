-- The worked examples: each could be published as it is, and does what its own specs say.
local context = require("core.context")
local fs = require("core.fs")
local plugin = require("core.plugin")
local system_routes = require("core.system_routes")
local identity = require("services.identity")
local identity_seed = require("services.identity.seed")
local check = require("services.scripts.check")
local folder = require("services.scripts.folder")
local specs = require("services.scripts.specs")

describe("the example", function()
  local ctx = context.system({ name = "test", tenant = { id = "examples", timezone = "Europe/London" } })
  local names = {}

  setup(function()
    plugin.load(system_routes)
  end)

  for _, name in ipairs(fs.list(folder.root())) do
    if fs.stat(folder.of(name)).type == "dir" then
      names[#names + 1] = name
      it(name .. " checks, without a warning", function()
        local found = folder.read(folder.of(name))
        assert.same({}, found.others)
        local result = check.run(ctx, found.files)
        assert.same({}, result.problems)
        assert.is_true(result.ok)
      end)

      it(name .. " is of a tenant of the demo world", function()
        identity_seed.run(ctx)
        assert.truthy(identity.find_tenant_by_slug(ctx, name))
      end)

      it(name .. " does what its specs say", function()
        local results, problems = specs.run(ctx, folder.read(folder.of(name)).files)
        assert.is_nil(problems)
        assert.is_true(#results >= 5)
        for _, result in ipairs(results) do
          assert.is_nil(result.error, result.name .. ": " .. tostring((result.error or {}).message))
        end
      end)
    end
  end

  it("is there for a council, a utility and a campus", function()
    assert.same({ "campus", "northgrid", "riverton" }, names)
  end)
end)
