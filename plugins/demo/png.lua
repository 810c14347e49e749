-- Writes small pictures as PNG (W3C PNG 3rd edition): palette colours, zlib with stored blocks.
-- For the seeder, whose pictures go through the same door as anybody's upload.

local bit = require("bit")

local M = {}

jit.on(true, true) -- every byte is looked at

local SIGNATURE = "\137PNG\r\n\26\n"
local STORED_MAX = 65535

local crc_table

local function crc32(data)
  if not crc_table then
    crc_table = {}
    for n = 0, 255 do
      local c = n
      for _ = 1, 8 do
        c = bit.bxor(bit.rshift(c, 1), bit.band(c, 1) == 1 and 0xedb88320 or 0)
      end
      crc_table[n] = c
    end
  end
  local crc = bit.bnot(0)
  for i = 1, #data do
    crc = bit.bxor(crc_table[bit.band(bit.bxor(crc, data:byte(i)), 255)], bit.rshift(crc, 8))
  end
  return bit.bnot(crc)
end

local function adler32(data)
  local a, b = 1, 0
  for i = 1, #data do
    a = (a + data:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return b * 65536 + a
end

local function be32(n)
  return string.char(bit.band(bit.rshift(n, 24), 255), bit.band(bit.rshift(n, 16), 255),
    bit.band(bit.rshift(n, 8), 255), bit.band(n, 255))
end

local function le16(n)
  return string.char(n % 256, math.floor(n / 256))
end

local function chunk(kind, data)
  return be32(#data) .. kind .. data .. be32(crc32(kind .. data))
end

local function zlib(data)
  local parts = { "\120\1" }
  for at = 1, #data, STORED_MAX do
    local block = data:sub(at, at + STORED_MAX - 1)
    local is_last = at + STORED_MAX > #data
    parts[#parts + 1] = (is_last and "\1" or "\0") .. le16(#block) .. le16(65535 - #block) .. block
  end
  parts[#parts + 1] = be32(bit.tobit(adler32(data)))
  return table.concat(parts)
end

--- Returns the bytes of a picture.
-- @param rows array of strings, one byte (a palette index) per pixel, all of one length
-- @param palette array of {r, g, b}; index 0 is its first entry
function M.encode(rows, palette)
  local lines, colours = {}, {}
  for i, row in ipairs(rows) do
    lines[i] = "\0" .. row -- filter type 0
  end
  for i, colour in ipairs(palette) do
    colours[i] = string.char(unpack(colour))
  end
  return SIGNATURE
    .. chunk("IHDR", be32(#rows[1]) .. be32(#rows) .. "\8\3\0\0\0")
    .. chunk("PLTE", table.concat(colours))
    .. chunk("IDAT", zlib(table.concat(lines)))
    .. chunk("IEND", "")
end

return M
