-- Compressed answers, conditional requests and ranges, seen with curl: a client that decompresses
-- and puts parts together by itself.
local probes = require("tests.support.probe")
local servers = require("tests.support.server")

local FILE = "/dashboard/app.js"

describe("a representation", function()
  local server, probe, folder, whole

  setup(function()
    probe = probes.new([[
      { method = "GET", path = "/probe/letters", summary = "As many as are wanted.",
        permission = "public", tenant = false, query = require("core.schema").object({
          count = require("core.schema").integer({ min = 0, max = 10000000 }) }),
        handler = function(_, input)
          local text = {}
          for i = 1, input.query.count do
            text[i] = string.char(97 + (i + math.floor(i / 1000) ^ 2) % 26)
          end
          return reply.raw(200, { ["Content-Type"] = "text/plain" }, table.concat(text))
        end },
    ]])
    server = servers.start({ env = { FIXXIT_ROOT = probe.root } })
    folder = os.tmpname()
    servers.shell("rm -f " .. folder .. "; mkdir " .. folder)
    whole = servers.read_file("plugins/dashboard/public/app.js")
  end)

  teardown(function()
    servers.shell("rm -rf " .. folder)
    server:stop()
    probe:remove()
  end)

  --- @return status, headers, body
  local function curl(path, ...)
    local head, body = folder .. "/head", folder .. "/body"
    servers.shell("rm -f " .. head .. " " .. body)
    local code, text = servers.shell(("curl -sS -D %s -o %s %s 'http://127.0.0.1:%d%s'"):format(
      head, body, table.concat({ ... }, " "), server.port, path))
    assert.equal(0, code, text)
    local headers = {}
    local lines = servers.read_file(head)
    for name, value in lines:gmatch("\n([^:\r\n]+): ([^\r\n]*)") do
      name = name:lower()
      headers[name] = headers[name] and headers[name] .. ", " .. value or value
    end
    return tonumber(lines:match("^HTTP/1.1 (%d+)")), headers, servers.read_file(body) or ""
  end

  local function header(text)
    return "-H '" .. text .. "'"
  end

  it("of a file is compressed for who accepts it, under a tag of its own", function()
    local status, plain, body = curl(FILE)
    assert.equal(200, status)
    assert.equal(whole, body)
    assert.is_nil(plain["content-encoding"])
    assert.matches("Accept%-Encoding", plain.vary)
    local _, zipped, unpacked = curl(FILE, "--compressed", header("Accept-Encoding: gzip"))
    assert.equal("gzip", zipped["content-encoding"])
    assert.equal(whole, unpacked)
    assert.truthy(tonumber(zipped["content-length"]) < #whole / 2)
    assert.equal(plain.etag:sub(1, -2) .. '-gzip"', zipped.etag)
    local _, head = curl(FILE, "-I", header("Accept-Encoding: gzip"))
    assert.equal(zipped["content-length"], head["content-length"])
    assert.equal(zipped.etag, head.etag)
  end)

  it("of JSON is compressed when it is large", function()
    local _, headers, body = curl("/api/v1/openapi.json", "--compressed", header("Accept-Encoding: gzip"))
    assert.equal("gzip", headers["content-encoding"])
    assert.truthy(require("cjson").decode(body).openapi)
    _, headers = curl("/health", header("Accept-Encoding: gzip"))
    assert.is_nil(headers["content-encoding"])
    assert.is_nil(headers.vary)
  end)

  it("of any size is compressed, of a known length up to a mebibyte", function()
    local accept = header("Accept-Encoding: gzip")
    for _, case in ipairs({ { 60000, true }, { 70000, true }, { 1000000, true }, { 3000000, false } }) do
      local path = "/api/v1/probe/letters?count=" .. case[1]
      local _, _, plain = curl(path)
      assert.equal(case[1], #plain)
      local _, zipped, unpacked = curl(path, "--compressed", accept)
      assert.equal("gzip", zipped["content-encoding"])
      assert.equal(case[2], zipped["content-length"] ~= nil)
      assert.equal(not case[2], zipped["transfer-encoding"] == "chunked")
      assert.truthy(plain == unpacked)
      local _, old = curl(path, "-0", accept)
      assert.equal(case[2], old["content-encoding"] == "gzip")
      assert.truthy(old["content-length"])
    end
  end)

  it("that the client has already is not sent again", function()
    for _, encoding in ipairs({ "gzip", "identity" }) do
      local accept = header("Accept-Encoding: " .. encoding)
      local _, first = curl(FILE, accept)
      local status, headers, body = curl(FILE, accept, header("If-None-Match: \"other\", W/" .. first.etag))
      assert.equal(304, status)
      assert.equal("", body)
      assert.equal(first.etag, headers.etag)
      assert.matches("Accept%-Encoding", headers.vary)
      assert.equal(first["cache-control"], headers["cache-control"])
      assert.equal(304, (curl(FILE, accept, header("If-Modified-Since: " .. first["last-modified"]))))
      assert.equal(200, (curl(FILE, accept, header("If-None-Match: \"other\""))))
      assert.equal(412, (curl(FILE, accept, header("If-Match: \"other\""))))
      assert.equal(200, (curl(FILE, accept, header("If-Match: " .. first.etag))))
      assert.equal(412, (curl(FILE, accept, header("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT"))))
    end
  end)

  it("comes in parts, never compressed ones", function()
    local _, plain = curl(FILE)
    local status, headers, body = curl(FILE, "-r 10-19", header("Accept-Encoding: gzip"))
    assert.equal(206, status)
    assert.equal(whole:sub(11, 20), body)
    assert.equal(("bytes 10-19/%d"):format(#whole), headers["content-range"])
    assert.equal(plain.etag, headers.etag)
    assert.matches("Accept%-Encoding", headers.vary)
    assert.is_nil(headers["content-encoding"])
    local _, _, tail = curl(FILE, "-r -5")
    assert.equal(whole:sub(-5), tail)
    local _, _, rest = curl(FILE, "-r 20-")
    assert.equal(whole:sub(21), rest)
    status, headers = curl(FILE, ("-r %d-"):format(#whole))
    assert.equal(416, status)
    assert.equal("bytes */" .. #whole, headers["content-range"])
    assert.equal(200, (curl(FILE, "-r 0-1,4-5")))
    assert.equal(200, (curl(FILE, "-I", "-r 0-1")))
    assert.equal(206, (curl(FILE, "-r 0-1", header("If-Range: " .. plain.etag))))
    status, _, body = curl(FILE, "-r 0-1", header("If-Range: \"older\""))
    assert.equal(200, status)
    assert.equal(whole, body)
  end)

  it("that was cut off is resumed by the client", function()
    local path = folder .. "/resumed"
    local file = assert(io.open(path, "w"))
    file:write(whole:sub(1, 100))
    file:close()
    assert.equal(0, (servers.shell(("curl -sS -C - -o %s http://127.0.0.1:%d%s"):format(path, server.port, FILE))))
    assert.equal(whole, servers.read_file(path))
  end)
end)
