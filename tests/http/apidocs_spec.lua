-- The page at /api-docs: whole, strict, and without a word of its own about any call.
local servers = require("tests.support.server")

local TYPES = { js = "text/javascript", css = "text/css", svg = "image/svg+xml", json = "application/json" }

describe("the page of the API's description", function()
  local server, api

  setup(function()
    server = servers.start()
    api = server.api
  end)

  teardown(function()
    server:stop()
  end)

  local function fetch(path)
    local answer = api:get(path, { root = true })
    assert.equal(200, answer.status, path)
    local kind = path:match("%.(%a+)$")
    assert.truthy(answer.headers["content-type"]:find(TYPES[kind] or "text/html", 1, true), path)
    return answer.body, answer.headers
  end

  it("is served with a policy that lets nothing inline run", function()
    for _, path in ipairs({ "/api-docs", "/api-docs/" }) do
      local html, headers = fetch(path)
      local policy = headers["content-security-policy"]
      assert.truthy(policy:find("default-src 'none'; script-src 'self'; style-src 'self'", 1, true))
      assert.is_nil(policy:find("unsafe", 1, true))
      assert.is_nil(html:find("<style"))
      assert.is_nil(html:find(" style="))
      assert.is_nil(html:find(" on%a+="))
      for tag in html:gmatch("<script[^>]*>") do
        assert.truthy(tag:find(' src="/api-docs/', 1, true), tag)
      end
    end
  end)

  it("loads everything that it names, from here", function()
    local seen, count = {}, 0
    local function follow(path)
      if seen[path] then
        return
      end
      seen[path], count = true, count + 1
      local body = fetch(path)
      assert.is_nil(body:find("innerHTML", 1, true), path)
      assert.is_nil(body:find("https?://[%w.]*%w/[^ ]*%.js"), path)
      if path:find("%.js$") then
        for name in body:gmatch('from "%./([%w.]+)"') do
          follow("/api-docs/" .. name)
        end
        for address in body:gmatch('fetch%("([^"]+)"') do
          follow(address)
        end
      end
    end
    local html = fetch("/api-docs")
    for address in html:gmatch('[hs]r[ec]f?="(/[^"]+)"') do
      follow(address)
    end
    assert.is_true(count >= 7)
    assert.is_true(seen["/api/v1/openapi.json"])
  end)
end)
