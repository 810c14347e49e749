-- The corpus of tests/conformance/websocket.lua over raw sockets.
local cjson = require("cjson.safe")
local corpus = require("tests.conformance.websocket")
local raw_socket = require("tests.support.raw_socket")
local servers = require("tests.support.server")

local PROBE = corpus.frame(0x89, "still there")
local DEFLATE = { ["Sec-WebSocket-Extensions"] = "permessage-deflate" }

-- A frame of the server as the corpus writes it.
local function name_of(frame)
  if frame.opcode == 8 then
    return frame.code or "close"
  elseif frame.opcode == 10 then
    return "pong " .. frame.payload
  elseif frame.opcode == 1 and not frame.compressed then
    local message = cjson.decode(frame.payload)
    return message and "json " .. tostring(message.type) or frame.payload
  end
  return ("frame %02x"):format(frame.first)
end

describe("the WebSocket server", function()
  local server

  setup(function()
    server = servers.start({ env = { FIXXIT_CORS_ORIGINS = "https://app.example.org" } })
  end)

  teardown(function()
    server:stop()
  end)

  local function run(case, changes)
    local peer = raw_socket.open(server.port, changes)
    assert.equal(101, peer.status)
    assert.equal("json welcome", name_of(assert(peer:frame())))
    peer:send(case[3])
    local seen, closed = {}, false
    for i, wanted in ipairs(case[4]) do
      local frame = peer:frame()
      seen[i] = frame and name_of(frame) or tostring(frame)
      closed = closed or type(wanted) == "number" or wanted == "close"
    end
    assert.same(case[4], seen)
    if closed then
      assert.is_false(peer:frame(3))
    else
      peer:send(PROBE)
      assert.equal("pong still there", name_of(assert(peer:frame())))
    end
    peer:close()
  end

  it("takes frames that come together with the handshake", function()
    local peer = raw_socket.open(server.port, { TAIL = corpus.frame(0x81, '{"type":"ping"}') .. PROBE })
    assert.equal("json welcome", name_of(peer:frame()))
    assert.equal("json pong", name_of(peer:frame()))
    assert.equal("pong still there", name_of(peer:frame()))
    peer:close()
  end)

  it("ends with a client that ends without a close", function()
    local peer = raw_socket.open(server.port)
    assert.equal("json welcome", name_of(peer:frame()))
    peer.socket:shutdown("w")
    assert.is_false(peer:frame(3))
  end)

  for _, case in ipairs(corpus.messages) do
    it(("%s: %s"):format(case[1], case[2]), function()
      run(case)
    end)
  end

  for _, case in ipairs(corpus.compressed) do
    it(("compressed, %s: %s"):format(case[1], case[2]), function()
      run(case, DEFLATE)
    end)
  end

  for _, case in ipairs(corpus.handshakes) do
    it(("handshake, %s: %s"):format(case[1], case[2]), function()
      local peer = raw_socket.open(server.port, case[3])
      assert.equal(case[4], peer.status)
      for name, value in pairs(case[5] or {}) do
        assert.equal(value or nil, peer.headers[name])
      end
      peer:close()
    end)
  end
end)
