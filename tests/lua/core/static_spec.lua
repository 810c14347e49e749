local errors = require("core.errors")
local fs = require("core.fs")
local registry = require("core.registry")
local static = require("core.static")
local sys = require("core.sys")

local ROOT = os.tmpname()

local function path_of(url)
  local answer = static.find(url)
  return answer and answer.file.path:sub(#ROOT + 1)
end

describe("the static pages", function()
  local modules = registry.modules

  setup(function()
    os.remove(ROOT)
    for _, file in ipairs({ "secret.lua", "public/index.html", "public/track.html", "public/app.js",
      "public/img/logo.svg", "public/.hidden" }) do
      local path = ROOT .. "/plugins/pages/" .. file
      errors.check(fs.mkdir(path:match("^(.*)/")))
      errors.check(fs.write(path, file))
    end
    stub(sys, "root", function()
      return ROOT
    end)
    registry.modules = { {
      name = "pages", folder = "plugins/pages", files = { public = true },
      manifest = { public = { mount = "/", pages = { ["/track/:code"] = "track.html" } } },
    } }
    static.build()
  end)

  teardown(function()
    sys.root:revert()
    registry.modules = modules
    os.execute("rm -rf " .. ROOT)
  end)

  it("are found by their path, with and without .html", function()
    assert.equal("/plugins/pages/public/index.html", path_of("/"))
    assert.equal("/plugins/pages/public/track.html", path_of("/track"))
    assert.equal("/plugins/pages/public/track.html", path_of("/track.html"))
    assert.equal("/plugins/pages/public/img/logo.svg", path_of("/img/logo.svg"))
    assert.equal("/plugins/pages/public/track.html", path_of("/track/ABC12345"))
  end)

  it("carry their type, an ETag and how long to keep them", function()
    local answer = static.find("/app.js")
    assert.equal("text/javascript; charset=utf-8", answer.file.type)
    assert.equal(32, #answer.etag)
    assert.equal("no-cache", answer.headers["Cache-Control"])
  end)

  it("are nothing but what lies in the folder", function()
    for _, url in ipairs({ "/../secret.lua", "/%2e%2e/secret.lua", "/img/../../secret.lua",
      "//app.js", "/.hidden", "/app.js/", "/APP.JS", "/secret.lua", "/img" }) do
      assert.is_nil(path_of(url), url)
    end
  end)
end)
