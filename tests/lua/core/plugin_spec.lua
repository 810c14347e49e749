-- The loader, on a tree of its own in a folder that stands for the project's root.

local errors = require("core.errors")
local fs = require("core.fs")
local sys = require("core.sys")

local ROOT = os.tmpname()

local GOOD = {
  ["lua/services/base/manifest.lua"] =
    'return { name = "base", version = "1", permissions = { ["things.read"] = "See things." } }',
  ["lua/services/base/init.lua"] = "return { hooks = { ready = function() end } }",
  ["plugins/things/manifest.lua"] =
    'return { name = "things", version = "1", requires = { "base" }, emits = { "thing.made" } }',
  ["plugins/things/routes.lua"] = [[return { { method = "GET", path = "/things", summary = "x",
    permission = "things.read", handler = function() end } }]],
  ["plugins/things/jobs.lua"] = [[return { handlers = { ["things.count"] = { run = print } },
    schedules = { { name = "count", every_ms = 1000, job = "things.count" } } }]],
  ["plugins/things/init.lua"] = [[return { listeners = { ["thing.made"] = { "things.count" } } }]],
  ["plugins/things/public/page.html"] = "<p>",
}

local function write_tree(changes)
  os.execute("rm -rf " .. ROOT)
  local files = {}
  for path, text in pairs(GOOD) do
    files[path] = text
  end
  for path, text in pairs(changes or {}) do
    files[path] = text
  end
  for path, text in pairs(files) do
    errors.check(fs.mkdir(ROOT .. "/" .. path:match("^(.*)/")))
    errors.check(fs.write(ROOT .. "/" .. path, text))
  end
end

-- Loads the tree with loader, registry and modules of its own.
local function load_tree(changes)
  write_tree(changes)
  for name in pairs(package.loaded) do
    if name:find("^services%.") or name:find("^plugins%.") or name == "core.registry"
      or name == "core.plugin" then
      package.loaded[name] = nil
    end
  end
  return require("core.plugin").load({})
end

local function problem(changes)
  local ok, err = pcall(load_tree, changes)
  assert.is_false(ok)
  return tostring(err)
end

describe("the loader", function()
  local path = package.path

  setup(function()
    stub(sys, "root", function()
      return ROOT
    end)
    package.path = ROOT .. "/lua/?.lua;" .. ROOT .. "/lua/?/init.lua;" .. ROOT .. "/?.lua;"
      .. ROOT .. "/?/init.lua;" .. path
  end)

  teardown(function()
    sys.root:revert()
    package.path = path
    os.execute("rm -rf " .. ROOT)
  end)

  it("collects what services and plugins offer, services first", function()
    local registry = load_tree()
    assert.equal("base", registry.modules[1].name)
    assert.equal("things", registry.modules[2].name)
    assert.equal("things", registry.emits["thing.made"])
    assert.same({ "things.count" }, registry.listeners["thing.made"])
    assert.is_function(registry.jobs["things.count"].run)
    assert.equal(1, #registry.hooks.ready)
    local route = registry.routes[1]
    assert.equal("/api/v1", route.base)
    assert.equal("standard", route.rate)
    assert.is_true(route.tenant)
  end)

  it("collects what scripts can call and may do", function()
    local registry = load_tree({
      ["plugins/things/init.lua"] = [[local s = require("core.schema")
        return { audiences = { crew = print }, scripts = { permissions = { "things.read" },
          capabilities = { things = {
            { name = "things.get", arguments = s.object({}), run = print },
            { name = "things.make_one", arguments = s.object({}), run = print, writes = true,
              made_up = print } } } } }]],
    })
    assert.is_function(registry.capabilities["things.get"].run)
    assert.is_true(registry.capabilities["things.make_one"].writes)
    assert.is_function(registry.audiences.crew)
    assert.same({ ["things.read"] = true }, registry.script_permissions)
  end)

  it("orders by what is required", function()
    local registry = load_tree({
      ["plugins/aaa/manifest.lua"] =
        'return { name = "aaa", version = "1", requires = { "things" } }',
    })
    assert.equal("things", registry.modules[2].name)
    assert.equal("aaa", registry.modules[3].name)
  end)

  for why, case in pairs({
    ["a module that is missing"] = { "requires 'nowhere'",
      ["plugins/things/manifest.lua"] =
        'return { name = "things", version = "1", requires = { "nowhere" } }' },
    ["a circle"] = { "requires itself by way of a -> b -> a",
      ["plugins/a/manifest.lua"] = 'return { name = "a", version = "1", requires = { "b" } }',
      ["plugins/b/manifest.lua"] = 'return { name = "b", version = "1", requires = { "a" } }' },
    ["a service that requires a plugin"] = { "a service cannot require the plugin 'things'",
      ["lua/services/base/manifest.lua"] = 'return { name = "base", version = "1", '
        .. 'permissions = { ["things.read"] = "See things." }, requires = { "things" } }' },
    ["a manifest of another name"] = { "the name must be that of the folder",
      ["plugins/a/manifest.lua"] = 'return { name = "b", version = "1" }' },
    ["an unknown key of a manifest"] = { "unknown key 'permission'",
      ["plugins/a/manifest.lua"] = 'return { name = "a", version = "1", permission = {} }' },
    ["a permission nobody declares"] = { "permission 'things.reed' is in no manifest",
      ["plugins/things/routes.lua"] = [[return { { method = "GET", path = "/things",
        summary = "x", permission = "things.reed", handler = function() end } }]] },
    ["a route without a permission"] = { "needs a permission",
      ["plugins/things/routes.lua"] = [[return { { method = "GET", path = "/things",
        summary = "x", handler = function() end } }]] },
    ["a misspelt key of a route"] = { "unknown key 'querry'",
      ["plugins/things/routes.lua"] = [[return { { method = "GET", path = "/things",
        summary = "x", permission = "public", querry = {}, handler = function() end } }]] },
    ["a schema that is none"] = { "query must be an object schema",
      ["plugins/things/routes.lua"] = [[return { { method = "GET", path = "/things",
        summary = "x", permission = "public", query = {}, handler = function() end } }]] },
    ["a deprecation without a date"] = { "deprecated needs the date since when",
      ["plugins/things/routes.lua"] = [[return { { method = "GET", path = "/things",
        summary = "x", permission = "public", deprecated = { since = "soon" },
        handler = function() end } }]] },
    ["an end before the deprecation"] = { "cannot end before it is deprecated",
      ["plugins/things/routes.lua"] = [[return { { method = "GET", path = "/things",
        summary = "x", permission = "public", handler = function() end,
        deprecated = { since = "2026-02-01", sunset = "2026-01-01" } } }]] },
    ["an answer that is no schema"] = { "returns must be a schema",
      ["plugins/things/routes.lua"] = [[return { { method = "GET", path = "/things",
        summary = "x", permission = "public", returns = {}, handler = function() end } }]] },
    ["a file that does not compile"] = { "plugins/things/routes.lua",
      ["plugins/things/routes.lua"] = "return {" },
    ["a capability of another table"] = { "'others.get' is not of the table 'things'",
      ["plugins/things/init.lua"] = [[return { scripts = { capabilities = { things = {
        { name = "others.get", arguments = require("core.schema").object({}), run = print } } } } }]] },
    ["a capability without a schema"] = { "'things.get' needs arguments",
      ["plugins/things/init.lua"] = [[return { scripts = { capabilities = { things = {
        { name = "things.get", arguments = {}, run = print } } } } }]] },
    ["a writing capability that a dry run cannot do"] = { "'things.make' writes: it needs made_up",
      ["plugins/things/init.lua"] = [[return { scripts = { capabilities = { things = {
        { name = "things.make", arguments = require("core.schema").object({}), run = print,
          writes = true } } } } }]] },
    ["a capability that is there twice"] = { "'things.get' is there twice",
      ["plugins/things/init.lua"] = [[local s = require("core.schema")
        return { scripts = { capabilities = { things = {
          { name = "things.get", arguments = s.object({}), run = print },
          { name = "things.get", arguments = s.object({}), run = print } } } } }]] },
    ["a permission of scripts nobody declares"] = { "permission 'things.reed' is in no manifest",
      ["plugins/things/init.lua"] = [[return { scripts = { permissions = { "things.reed" } } }]] },
    ["an action that nothing tells of"] = { "'things.make': event 'things.maid' is emitted by no",
      ["plugins/things/init.lua"] = [[return { scripts = { actions = {
        ["things.make"] = { event = "things.maid" } } } }]] },
    ["a schedule without its job"] = { "there is no job 'things.lost'",
      ["plugins/things/jobs.lua"] = [[return { handlers = { ["things.count"] = { run = print } },
        schedules = { { name = "x", every_ms = 1, job = "things.lost" } } }]] },
    ["a listener to an event nobody emits"] = { "event 'thing.lost' is emitted by no manifest",
      ["plugins/things/init.lua"] =
        [[return { listeners = { ["thing.lost"] = { "things.count" } } }]] },
  }) do
    it("names the file of " .. why, function()
      local expected = case[1]
      local changes = {}
      for name, text in pairs(case) do
        if type(name) == "string" then
          changes[name] = text
        end
      end
      assert.matches(expected, problem(changes), 1, true)
    end)
  end

  it("tells all problems at once", function()
    local text = problem({
      ["plugins/a/manifest.lua"] = 'return { name = "x", version = "1" }',
      ["plugins/b/manifest.lua"] = 'return { name = "y", version = "1" }',
    })
    assert.matches("plugins/a/manifest.lua", text, 1, true)
    assert.matches("plugins/b/manifest.lua", text, 1, true)
  end)
end)
