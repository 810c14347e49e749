-- The corpus of tests/conformance over raw sockets, on a server as it runs in production.
local cqueues = require("cqueues")
local corpus = require("tests.conformance.http1")
local raw_http = require("tests.support.raw_http")
local servers = require("tests.support.server")

local PROBE = "GET /health HTTP/1.1\r\nHost: probe\r\n\r\n"
local KEEPS = corpus.KEEPS

local function check_answer(answer, is_head)
  if answer.status < 200 then
    return
  end
  assert.matches("^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$", answer.headers.date)
  assert.is_nil(answer.headers["transfer-encoding"])
  if answer.status == 204 then
    assert.is_nil(answer.headers["content-length"])
  else
    assert.truthy(tonumber(answer.headers["content-length"]))
  end
  if answer.status >= 400 and not is_head then
    assert.matches('^{"success":false,"error":{"', answer.body)
  end
end

describe("HTTP/1.1", function()
  local server

  setup(function()
    server = servers.start({ env = { FIXXIT_HTTP_HEADER_TIMEOUT_MS = 1500 } })
  end)

  teardown(function()
    server:stop()
  end)

  for _, case in ipairs(corpus.cases) do
    local section, what, bytes, statuses, fate = unpack(case)
    it(("RFC %s: %s"):format(section, what), function()
      local peer = raw_http.connect(server.port)
      peer:send(bytes)
      local answer
      for i, status in ipairs(type(statuses) == "table" and statuses or { statuses }) do
        local is_head = i == 1 and type(bytes) == "string" and bytes:find("^HEAD ") ~= nil
        answer = assert(peer:answer(is_head), "no answer")
        assert.equal(status, answer.status, answer.body)
        check_answer(answer, is_head)
      end
      if fate == KEEPS then
        assert.not_equal("close", answer.headers.connection)
        peer:send(PROBE)
        assert.equal(200, assert(peer:answer(), "closed").status)
      else
        assert.truthy(not answer or answer.headers.connection == "close" or type(bytes) == "table")
        assert.is_false(peer:more(), peer.rest)
        assert.equal("", peer.rest)
      end
      peer.socket:close()
    end)
  end

  it("tells what HEAD would have sent, and what OPTIONS allows", function()
    local peer = raw_http.connect(server.port)
    peer:send("HEAD /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
      .. "GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
      .. "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
    local told, sent = peer:answer(true), peer:answer()
    assert.equal(tostring(#sent.body), told.headers["content-length"])
    assert.equal(sent.headers.etag, told.headers.etag)
    assert.matches("GET", peer:answer().headers.allow)
    peer.socket:close()
  end)

  it("ends heads of one byte a second, however many, and serves others meanwhile", function()
    local COUNT, head = 500, PROBE
    local slow, ended, loop = {}, 0, cqueues.new()
    for i = 1, COUNT do
      slow[i] = raw_http.connect(server.port)
      loop:wrap(function()
        for at = 1, 4 do -- the rest of them is not waited for
          slow[i]:send(head:sub(at, at))
          cqueues.sleep(1)
        end
        assert(slow[i]:answer().status == 408)
        ended = ended + 1
      end)
    end
    local served = 0
    loop:wrap(function()
      while ended < COUNT do
        local peer = raw_http.connect(server.port)
        peer:send(PROBE)
        assert(peer:answer().status == 200)
        served = served + 1
        peer.socket:close()
        cqueues.sleep(0.1)
      end
    end)
    local started = cqueues.monotime()
    assert(loop:loop())
    assert.equal(COUNT, ended)
    assert.truthy(cqueues.monotime() - started < 8)
    assert.truthy(served > 5)
    for i = 1, COUNT do
      slow[i].socket:close()
    end
  end)
end)
