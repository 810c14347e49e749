-- Base32 (RFC 4648 section 6), without padding: what authenticator apps and people read.

local bit = require("bit")

local M = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

local VALUES = {}
for i = 1, #ALPHABET do
  VALUES[ALPHABET:byte(i)] = i - 1
end

--- The bytes as text.
function M.encode(bytes)
  local out = {}
  local held, bits = 0, 0
  for i = 1, #bytes do
    held, bits = bit.bor(bit.lshift(held, 8), bytes:byte(i)), bits + 8
    while bits >= 5 do
      bits = bits - 5
      local value = bit.band(bit.rshift(held, bits), 31)
      out[#out + 1] = ALPHABET:sub(value + 1, value + 1)
    end
    held = bit.band(held, 31)
  end
  if bits > 0 then
    local value = bit.band(bit.lshift(held, 5 - bits), 31)
    out[#out + 1] = ALPHABET:sub(value + 1, value + 1)
  end
  return table.concat(out)
end

--- The text's bytes, or nil when it is not base32. Case and padding do not matter.
function M.decode(text)
  local plain = text:upper():gsub("=*$", "")
  local out = {}
  local held, bits = 0, 0
  for i = 1, #plain do
    local value = VALUES[plain:byte(i)]
    if not value then
      return nil
    end
    held, bits = bit.bor(bit.lshift(held, 5), value), bits + 5
    if bits >= 8 then
      bits = bits - 8
      out[#out + 1] = string.char(bit.band(bit.rshift(held, bits), 255))
    end
    held = bit.band(held, 255)
  end
  return table.concat(out)
end

return M
