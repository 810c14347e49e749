-- RFC 6455 and RFC 7692 as a server must speak them, one case a row.
--
--   M.handshakes:  { section, what, changes to a good request, status, answer headers | nil }
--   M.messages:    { section, what, bytes, answers }
--   M.compressed:  the same on a connection that agreed upon permessage-deflate
--
-- `bytes` may be a list of pieces, which are sent with a pause between them. `answers` is what
-- the server sends, in order: PONG = our JSON answer to a JSON ping, BAD = our JSON answer to
-- text that is no frame of ours, "pong x" = a control frame with payload x, 1002 = a close frame
-- with that code, after which the stream must end. Without a close the connection must still
-- serve: the runner sends one more ping.

local bit = require("bit")

local M = {}

local PONG, BAD = "json pong", "json error"
M.PONG, M.BAD = PONG, BAD
M.MAX_MESSAGE = 1048576

-- First bytes: FIN and opcode.
local TEXT, BINARY, CLOSE, PING, PONG_FRAME, FINAL = 0x81, 0x82, 0x88, 0x89, 0x8a, 0x80
local TEXT_PART, MORE = 0x01, 0x00
local RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10

local MASK = "\55\250\33\61"
local HI = '{"type":"ping"}'

local function big_endian(number, bytes)
  local text = ""
  for _ = 1, bytes do
    text = string.char(number % 256) .. text
    number = math.floor(number / 256)
  end
  return text
end

local function length_bytes(len, size)
  size = size or len < 126 and 0 or len < 65536 and 2 or 8
  local short = size == 0 and len or size == 2 and 126 or 127
  return short, size == 0 and "" or big_endian(len, size)
end

local function masked(text, mask)
  local out = {}
  for at = 1, #text, 4096 do
    local bytes = { text:byte(at, at + 4095) }
    for i = 1, #bytes do
      bytes[i] = bit.bxor(bytes[i], mask:byte((at + i - 2) % 4 + 1))
    end
    out[#out + 1] = string.char(unpack(bytes))
  end
  return table.concat(out)
end

--- The header of a client's frame. `size`: bytes of the extended length, where it is to be wrong.
local function header(first, len, size)
  local short, extended = length_bytes(len, size)
  return string.char(first, 0x80 + short) .. extended .. MASK
end

--- A client's frame.
local function frame(first, payload)
  payload = payload or ""
  return header(first, #payload) .. masked(payload, MASK)
end
M.frame = frame

local function close(code, reason)
  return frame(CLOSE, (code and big_endian(code, 2) or "") .. (reason or ""))
end

-- Text of that many bytes which means a ping.
local function padded(size)
  return HI .. (" "):rep(size - #HI)
end

local function unmasked(first, payload)
  return string.char(first, #payload) .. payload
end

local function fragments(text, size)
  local out = { frame(TEXT_PART, text:sub(1, size)) }
  for at = size + 1, #text, size do
    out[#out + 1] = frame(MORE, text:sub(at, at + size - 1))
  end
  out[#out + 1] = frame(FINAL)
  return table.concat(out)
end

local function byte_by_byte(bytes)
  local out = {}
  for i = 1, #bytes do
    out[i] = bytes:sub(i, i)
  end
  return out
end

-- The reason as long as it may be, and a character longer.
local REASON = ("é"):rep(61) .. "x"

M.messages = {
  { "5.2", "a text", frame(TEXT, HI), { PONG } },
  { "5.2", "a text in single bytes", byte_by_byte(frame(TEXT, HI)), { PONG } },
  { "5.2", "two texts in one piece", frame(TEXT, HI) .. frame(TEXT, HI), { PONG, PONG } },
  { "5.2", "an empty text", frame(TEXT), { BAD } },
  { "5.2", "a length of 126 in two bytes", frame(TEXT, padded(126)), { PONG } },
  { "5.2", "a length of 65535 in two bytes", frame(TEXT, padded(65535)), { PONG } },
  { "5.2", "a length of 65536 in eight bytes", frame(TEXT, padded(65536)), { PONG } },
  { "5.2", "a length of 125 in two bytes", header(TEXT, 125, 2), { 1002 } },
  { "5.2", "a length of 65535 in eight bytes", header(TEXT, 65535, 8), { 1002 } },
  { "5.2", "a length with its top bit set",
    string.char(TEXT, 0xff) .. "\128\0\0\0\0\0\0\0" .. MASK, { 1002 } },
  { "5.2", "RSV1 that nobody agreed upon", frame(TEXT + RSV1, HI), { 1002 } },
  { "5.2", "RSV2", frame(TEXT + RSV2, HI), { 1002 } },
  { "5.2", "RSV3", frame(TEXT + RSV3, HI), { 1002 } },
  { "5.2", "RSV1 on a ping", frame(PING + RSV1), { 1002 } },
  { "5.2", "opcode 3", frame(0x83, "x"), { 1002 } },
  { "5.2", "opcode 7", frame(0x87, "x"), { 1002 } },
  { "5.2", "opcode 11", frame(0x8b), { 1002 } },
  { "5.2", "opcode 15", frame(0x8f), { 1002 } },
  { "5.2", "an opcode that fails before its payload came", header(0x83, 100), { 1002 } },
  { "5.1", "a text without a mask", unmasked(TEXT, HI), { 1002 } },
  { "5.1", "a ping without a mask", unmasked(PING, ""), { 1002 } },
  { "5.3", "a mask of zeros", string.char(TEXT, 0x80 + #HI) .. "\0\0\0\0" .. HI, { PONG } },

  { "5.4", "two fragments", frame(TEXT_PART, HI:sub(1, 4)) .. frame(FINAL, HI:sub(5)), { PONG } },
  { "5.4", "a fragment for each byte, and an empty last one", fragments(HI, 1), { PONG } },
  { "5.4", "20000 fragments of one byte", fragments(padded(20000), 1), { PONG } },
  { "5.4", "empty fragments", frame(TEXT_PART) .. frame(MORE) .. frame(FINAL, HI), { PONG } },
  { "5.4", "fragments with a pause",
    { frame(TEXT_PART, HI:sub(1, 4)), frame(MORE, HI:sub(5, 9)), frame(FINAL, HI:sub(10)) },
    { PONG } },
  { "5.4", "a continuation of nothing", frame(FINAL, HI), { 1002 } },
  { "5.4", "a continuation after the end", frame(TEXT, HI) .. frame(MORE, "x"), { PONG, 1002 } },
  { "5.4", "a text inside a text", frame(TEXT_PART, "{") .. frame(TEXT, HI), { 1002 } },
  { "5.4", "a binary inside a text", frame(TEXT_PART, "{") .. frame(BINARY, HI), { 1002 } },

  { "5.5", "a ping between fragments",
    frame(TEXT_PART, HI:sub(1, 4)) .. frame(PING, "in") .. frame(FINAL, HI:sub(5)),
    { "pong in", PONG } },
  { "5.5", "pings between fragments, one a piece",
    { frame(TEXT_PART, HI:sub(1, 4)), frame(PING, "1"), frame(MORE, HI:sub(5, 8)),
      frame(PING, "2"), frame(FINAL, HI:sub(9)) },
    { "pong 1", "pong 2", PONG } },
  { "5.5", "a close between fragments", frame(TEXT_PART, "{") .. close(1000), { 1000 } },
  { "5.5", "a fragmented ping", frame(0x09, "x"), { 1002 } },
  { "5.5", "a fragmented close", frame(0x08), { 1002 } },
  { "5.5", "a ping of 125 bytes", frame(PING, ("p"):rep(125)), { "pong " .. ("p"):rep(125) } },
  { "5.5", "a ping of 126 bytes", frame(PING, ("p"):rep(126)), { 1002 } },
  { "5.5.2", "a ping without payload", frame(PING), { "pong " } },
  { "5.5.2", "a ping of bytes that are no text", frame(PING, "\0\255\254"), { "pong \0\255\254" } },
  { "5.5.2", "ten pings at once", frame(PING, "x"):rep(10),
    { "pong x", "pong x", "pong x", "pong x", "pong x", "pong x", "pong x", "pong x", "pong x",
      "pong x" } },
  { "5.5.3", "a pong that nobody asked for", frame(PONG_FRAME, "x"), {} },
  { "5.5.3", "a pong of 126 bytes", frame(PONG_FRAME, ("p"):rep(126)), { 1002 } },

  { "5.5.1", "a close without code", close(), { "close" } },
  { "5.5.1", "a close with a code", close(1000), { 1000 } },
  { "5.5.1", "a close with a reason", close(1001, "bye"), { 1001 } },
  { "5.5.1", "a close of one byte", frame(CLOSE, "\3"), { 1002 } },
  { "5.5.1", "a reason of 123 bytes", close(1000, REASON), { 1000 } },
  { "5.5.1", "a reason of 124 bytes", close(1000, REASON .. "x"), { 1002 } },
  { "5.5.1", "a reason that is no UTF-8", close(1000, "\195\40"), { 1007 } },
  { "5.5.1", "a reason cut inside a character", close(1000, "\226\130"), { 1007 } },
  { "5.5.1", "what follows a close", close(1000) .. frame(TEXT, HI) .. frame(PING), { 1000 } },
  { "5.5.1", "what follows a failure", frame(0x83) .. frame(TEXT, HI), { 1002 } },
  { "7.4.2", "close code 0", close(0), { 1002 } },
  { "7.4.2", "close code 999", close(999), { 1002 } },
  { "7.4.1", "close code 1002", close(1002), { 1002 } },
  { "7.4.1", "close code 1003", close(1003), { 1003 } },
  { "7.4.1", "close code 1004, reserved", close(1004), { 1002 } },
  { "7.4.1", "close code 1005, never sent", close(1005), { 1002 } },
  { "7.4.1", "close code 1006, never sent", close(1006), { 1002 } },
  { "7.4.1", "close code 1007", close(1007), { 1007 } },
  { "7.4.1", "close code 1011", close(1011), { 1011 } },
  { "7.4.1", "close code 1015, never sent", close(1015), { 1002 } },
  { "7.4.2", "close code 1016, not defined", close(1016), { 1002 } },
  { "7.4.2", "close code 2999, not defined", close(2999), { 1002 } },
  { "7.4.2", "close code 3000", close(3000), { 3000 } },
  { "7.4.2", "close code 4999", close(4999), { 4999 } },
  { "7.4.2", "close code 5000", close(5000), { 1002 } },
  { "7.4.2", "close code 65535", close(65535), { 1002 } },

  { "5.6", "binary, which we have no use for", frame(BINARY, "\0\255"), { BAD } },
  { "8.1", "characters of all widths", frame(TEXT, '"aé€\240\159\146\169"'), { BAD } },
  { "8.1", "a character cut by a fragment",
    frame(TEXT_PART, '"\240\159') .. frame(FINAL, '\146\169"'), { BAD } },
  { "8.1", "a character cut by a fragment and a ping",
    frame(TEXT_PART, '"\226') .. frame(PING) .. frame(FINAL, '\130\172"'), { "pong ", BAD } },
  { "8.1", "a byte that begins nothing", frame(TEXT, "\255"), { 1007 } },
  { "8.1", "a lone continuation byte", frame(TEXT, "a\128b"), { 1007 } },
  { "8.1", "an overlong slash", frame(TEXT, "\192\175"), { 1007 } },
  { "8.1", "a surrogate", frame(TEXT, "\237\160\128"), { 1007 } },
  { "8.1", "more than U+10FFFF", frame(TEXT, "\244\144\128\128"), { 1007 } },
  { "8.1", "a text that ends inside a character", frame(TEXT, "a\226\130"), { 1007 } },
  { "8.1", "fragments that end inside a character",
    frame(TEXT_PART, "a\226") .. frame(FINAL, "\130"), { 1007 } },
  { "8.1", "bad text, at once and not at its end",
    header(TEXT, 1000) .. masked("abc\255", MASK), { 1007 } },
  { "8.1", "a first half that no second one mends",
    header(TEXT, 1000) .. masked("\237\160", MASK), { 1007 } },
  { "8.1", "a bad fragment, before the message ends", frame(TEXT_PART, "\255"), { 1007 } },

  { "10.4", "a message at the limit", frame(TEXT, padded(M.MAX_MESSAGE)), { PONG } },
  { "10.4", "a message above the limit, before its payload came",
    header(TEXT, M.MAX_MESSAGE + 1), { 1009 } },
  { "10.4", "a message of 2^62 bytes", header(TEXT, 2 ^ 62), { 1009 } },
  { "10.4", "fragments at the limit", fragments(padded(M.MAX_MESSAGE), 65536), { PONG } },
  { "10.4", "fragments above the limit",
    frame(TEXT_PART, padded(M.MAX_MESSAGE)) .. header(FINAL, 1), { 1009 } },
}

-- A deflate stream of stored blocks: compression that every Lua can do.
local function stored(text)
  local out = {}
  for at = 1, math.max(#text, 1), 65535 do
    local part = text:sub(at, at + 65534)
    local low, high = #part % 256, math.floor(#part / 256)
    out[#out + 1] = "\0" .. string.char(low, high, 255 - low, 255 - high) .. part
  end
  return table.concat(out) .. "\0"
end

-- "Hello" by a block of fixed codes: RFC 7692, section 7.2.3.
local HELLO = "\242\72\205\201\201\7\0"
local EMPTY = "\0"

M.compressed = {
  { "7692 6", "a message that is not compressed", frame(TEXT, HI), { PONG } },
  { "7692 6.2", "a compressed message", frame(TEXT + RSV1, stored(HI)), { PONG } },
  { "7692 7.2.3.2", "two compressed messages, each by itself",
    frame(TEXT + RSV1, stored(HI)):rep(2), { PONG, PONG } },
  { "7692 7.2.3.1", "the RFC's first example", frame(TEXT + RSV1, HELLO), { BAD } },
  { "7692 7.2.3.4", "a final block", frame(TEXT + RSV1, "\243\72\205\201\201\7\0\0"), { BAD } },
  { "7692 7.2.3.6", "an empty message", frame(TEXT + RSV1, EMPTY), { BAD } },
  { "7692 6.1", "fragments",
    frame(TEXT_PART + RSV1, HELLO:sub(1, 3)) .. frame(FINAL, HELLO:sub(4)), { BAD } },
  { "7692 6.1", "fragments with a ping between",
    frame(TEXT_PART + RSV1, HELLO:sub(1, 3)) .. frame(PING, "x") .. frame(FINAL, HELLO:sub(4)),
    { "pong x", BAD } },
  { "7692 6.1", "RSV1 on a second fragment",
    frame(TEXT_PART + RSV1, HELLO:sub(1, 3)) .. frame(FINAL + RSV1, HELLO:sub(4)), { 1002 } },
  { "7692 6.1", "RSV1 on a second fragment alone",
    frame(TEXT_PART, "{") .. frame(FINAL + RSV1, "}"), { 1002 } },
  { "7692 5", "RSV1 on a ping", frame(PING + RSV1), { 1002 } },
  { "7692 5", "RSV1 on a close", frame(CLOSE + RSV1), { 1002 } },
  { "7692 5", "RSV2", frame(TEXT + RSV1 + RSV2, stored(HI)), { 1002 } },
  { "7692 6.2", "bytes that do not inflate", frame(TEXT + RSV1, "\7\255\255"), { 1007 } },
  { "7692 6.2", "a stream that is cut off", frame(TEXT + RSV1, HELLO:sub(1, 4)), { 1007 } },
  { "8.1", "text that is no UTF-8 once inflated",
    frame(TEXT + RSV1, stored("\255")), { 1007 } },
  { "10.4", "a message at the limit once inflated",
    frame(TEXT + RSV1, stored(padded(M.MAX_MESSAGE))), { PONG } },
  { "10.4", "a message above the limit once inflated",
    frame(TEXT + RSV1, stored(padded(M.MAX_MESSAGE + 1))), { 1009 } },
}

local ACCEPT = { ["sec-websocket-accept"] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" }
local UPGRADE = { upgrade = "websocket", connection = "Upgrade" } -- RFC 9110 15.5.22, 7.8
local VERSION = { upgrade = "websocket", connection = "Upgrade", ["sec-websocket-version"] = "13" }
local DEFLATE = "Sec-WebSocket-Extensions"
local AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

-- `changes`: header -> other value, false to leave it out; METHOD, VERSION and HOST likewise.
M.handshakes = {
  { "4.2.2", "as it should be", {}, 101, ACCEPT },
  { "4.2.1", "words in any case", { Upgrade = "WebSocket", Connection = "upgrade" }, 101, ACCEPT },
  { "4.2.1", "Connection with more words", { Connection = "keep-alive, Upgrade" }, 101, ACCEPT },
  { "4.2.1", "Upgrade with more words", { Upgrade = "h2c, websocket" }, 101, ACCEPT },
  { "4.2.1", "POST", { METHOD = "POST", ["Content-Length"] = "0" }, 405 },
  { "4.2.1", "HTTP/1.0", { VERSION = "HTTP/1.0" }, 400 },
  { "4.2.1", "no Upgrade", { Upgrade = false }, 426, UPGRADE },
  { "4.2.1", "another Upgrade", { Upgrade = "h2c" }, 426, UPGRADE },
  { "4.2.1", "an Upgrade that only looks alike", { Upgrade = "websocket2" }, 400 },
  { "4.2.1", "no Connection", { Connection = false }, 400 },
  { "4.2.1", "another Connection", { Connection = "keep-alive" }, 400 },
  { "4.2.1", "a Connection that only looks alike", { Connection = "upgrades" }, 400 },
  { "4.2.1", "no key", { ["Sec-WebSocket-Key"] = false }, 400 },
  { "4.2.1", "an empty key", { ["Sec-WebSocket-Key"] = "" }, 400 },
  { "4.2.1", "a key of 15 bytes", { ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25j" }, 400 },
  { "4.2.1", "a key of 17 bytes", { ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZTE=" }, 400 },
  { "4.2.1", "a key that is no base64", { ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub2*jZQ==" }, 400 },
  { "4.2.1", "a key with its padding in the middle",
    { ["Sec-WebSocket-Key"] = "dGhlIHNhbXBs=SBub25jZQ==" }, 400 },
  { "4.2.1", "two keys", { ["Sec-WebSocket-Key"] =
    "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" }, 400 },
  { "4.2.1", "a body", { ["Content-Length"] = "5" }, 400 },
  { "4.4", "no version", { ["Sec-WebSocket-Version"] = false }, 426, VERSION },
  { "4.4", "version 8", { ["Sec-WebSocket-Version"] = "8" }, 426, VERSION },
  { "4.4", "version 14", { ["Sec-WebSocket-Version"] = "14" }, 426, VERSION },
  { "4.2.2", "subprotocols, of which we have none", { ["Sec-WebSocket-Protocol"] = "chat, v2" },
    101, { ["sec-websocket-protocol"] = false } },
  { "9.1", "no extension", {}, 101, { ["sec-websocket-extensions"] = false } },
  { "9.1", "an unknown extension", { [DEFLATE] = "x-mux; a=1" }, 101,
    { ["sec-websocket-extensions"] = false } },
  { "9.1", "extensions in two headers",
    { [DEFLATE] = "x-mux\r\nSec-WebSocket-Extensions: permessage-deflate" }, 101,
    { ["sec-websocket-extensions"] = AGREED } },
  { "9.1", "a malformed extension", { [DEFLATE] = "permessage-deflate; =" }, 400 },
  { "7692 7.1", "permessage-deflate", { [DEFLATE] = "permessage-deflate; client_max_window_bits" },
    101, { ["sec-websocket-extensions"] = AGREED } },
  { "7692 7.1.2.1", "a small window", { [DEFLATE] = "permessage-deflate; server_max_window_bits=10" },
    101, { ["sec-websocket-extensions"] = AGREED .. "; server_max_window_bits=10" } },
  { "7692 7.1", "a parameter that does not exist", { [DEFLATE] = "permessage-deflate; level=9" },
    101, { ["sec-websocket-extensions"] = false } },
  { "7692 5.1", "the second of two offers",
    { [DEFLATE] = "permessage-deflate; server_max_window_bits=99, permessage-deflate" },
    101, { ["sec-websocket-extensions"] = AGREED } },
  { "10.2", "our own origin", { HOST = "fixxit.example", Origin = "https://fixxit.example" }, 101 },
  { "10.2", "a listed origin", { Origin = "https://app.example.org" }, 101 },
  { "10.2", "another origin", { Origin = "https://evil.example" }, 403 },
  { "10.2", "an origin that begins like ours",
    { HOST = "fixxit.example", Origin = "https://fixxit.example.evil.example" }, 403 },
  { "10.2", "an opaque origin", { Origin = "null" }, 403 },
}

return M
