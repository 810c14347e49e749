local router = require("core.router")

local function built(...)
  local routes = router.new()
  for _, line in ipairs({ ... }) do
    local method, path = line:match("^(%S+) (%S+)$")
    routes:add(method, path, line)
  end
  return routes
end

describe("the router", function()
  it("finds fixed paths and parameters", function()
    local routes = built("GET /a", "GET /a/:id", "PUT /a/:id/b/:code")
    assert.equal("GET /a", routes:match("/a").methods.GET)
    local leaf, values = routes:match("/a/5/b/x%20y")
    assert.equal("PUT /a/:id/b/:code", leaf.methods.PUT)
    assert.same({ "5", "x%20y" }, values)
  end)

  it("prefers a fixed segment", function()
    local routes = built("GET /a/:id", "GET /a/new")
    assert.equal("GET /a/new", routes:match("/a/new").methods.GET)
    assert.equal("GET /a/:id", routes:match("/a/newer").methods.GET)
  end)

  it("goes back when a fixed segment leads nowhere", function()
    local routes = built("GET /a/:id/x", "GET /a/new/y")
    local leaf, values = routes:match("/a/new/x")
    assert.equal("GET /a/:id/x", leaf.methods.GET)
    assert.same({ "new" }, values)
  end)

  it("names what is allowed", function()
    assert.equal("DELETE, GET, HEAD, OPTIONS", built("GET /a", "DELETE /a"):match("/a").allow)
    assert.equal("OPTIONS, POST", built("POST /a"):match("/a").allow)
  end)

  it("lets routes name the same segment differently", function()
    local routes = router.new()
    assert.same({ "id" }, routes:add("GET", "/a/:id", 1))
    assert.same({ "order_id" }, routes:add("PUT", "/a/:order_id", 2))
    assert.same({ GET = 1, PUT = 2 }, (routes:match("/a/1")).methods)
  end)

  it("refuses the same route twice", function()
    assert.has_error(function()
      built("GET /a/:id", "GET /a/:other")
    end)
  end)

  it("takes many segments by one parameter, which comes last", function()
    local routes = built("GET /f/*path", "PUT /f/*path", "POST /f/*path/on", "GET /f/new",
      "GET /f/:id/x")
    local leaf, values = routes:match("/f/rules/a.lua")
    assert.same({ "GET /f/*path", "PUT /f/*path" }, { leaf.methods.GET, leaf.methods.PUT })
    assert.same({ "rules/a.lua" }, values)
    leaf, values = routes:match("/f/rules/a.lua/on")
    assert.equal("POST /f/*path/on", leaf.methods.POST)
    assert.same({ "rules/a.lua" }, values)
    assert.equal("GET /f/new", routes:match("/f/new").methods.GET)
    assert.equal("GET /f/:id/x", routes:match("/f/1/x").methods.GET)
    leaf, values = routes:match("/f/1")
    assert.equal("GET /f/*path", leaf.methods.GET)
    assert.same({ "1" }, values)
    leaf, values = routes:match("/f/on")
    assert.equal("GET /f/*path", leaf.methods.GET)
    assert.same({ "on" }, values)
    assert.is_nil((routes:match("/f/")))
    assert.is_nil((routes:match("/f")))
  end)

  it("finds nothing for other paths", function()
    local routes = built("GET /a/:id", "GET /a")
    for _, path in ipairs({ "/", "", "/a/", "/a/1/", "/a//", "/b", "//a", "/a/1/2", "*", "/A" }) do
      assert.is_nil((routes:match(path)), path)
    end
  end)
end)

describe("percent-encoding", function()
  it("is undone", function()
    assert.equal("a b/c", router.decode("a%20b%2Fc"))
    assert.equal("plain", router.decode("plain"))
  end)

  it("is refused when broken or hiding a NUL", function()
    for _, text in ipairs({ "%", "%2", "%zz", "a%00b" }) do
      assert.is_nil(router.decode(text), text)
    end
  end)
end)
