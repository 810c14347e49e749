-- ZIP archives (APPNOTE 6.3) whose members are stored as they are, written piece by piece: what
-- goes in is mostly pictures, which do not get smaller. Without ZIP64: up to 4 GiB and 65535
-- members.

local bit = require("bit")
local time = require("core.time")

local M = {}

local band, bor, bxor, lshift, rshift = bit.band, bit.bor, bit.bxor, bit.lshift, bit.rshift

local VERSION = 20
local UTF8_NAMES = 0x0800
local STORED = 0
local SIZE_MAX, MEMBERS_MAX = 2 ^ 32 - 1, 65535
local REGULAR_FILE = 0x81A4 * 65536 -- -rw-r--r--, in the upper half

local CRC_TABLE = {}
for i = 0, 255 do
  local value = i
  for _ = 1, 8 do
    value = band(value, 1) == 1 and bxor(rshift(value, 1), 0xEDB88320) or rshift(value, 1)
  end
  CRC_TABLE[i] = value
end

--- CRC-32 of bytes, 0 to 2^32 - 1.
function M.crc32(bytes)
  local crc = -1
  for i = 1, #bytes do
    crc = bxor(rshift(crc, 8), CRC_TABLE[band(bxor(crc, bytes:byte(i)), 255)])
  end
  return bxor(crc, -1) % 2 ^ 32
end

-- A little-endian number of so many bytes.
local function number(value, bytes)
  local out = {}
  for i = 1, bytes do
    out[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(out)
end

local function dos_time(ms)
  local year, month, day, hour, minute, second =
    time.iso(ms):match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
  return bor(lshift(hour, 11), lshift(minute, 5), rshift(second, 1)),
    bor(lshift(year - 1980, 9), lshift(month, 5), day)
end

local Archive = {}
Archive.__index = Archive

--- Begins an archive.
-- @param write called with each piece of bytes, in order; may wait
function M.new(write)
  return setmetatable({ write = write, offset = 0, entries = {} }, Archive)
end

local function put(archive, bytes)
  if archive.offset + #bytes > SIZE_MAX or #archive.entries > MEMBERS_MAX then
    error("zip: the archive is too large", 0)
  end
  archive.write(bytes)
  archive.offset = archive.offset + #bytes
end

--- Adds a member.
-- @param name its path in the archive, UTF-8, with "/"
-- @param bytes its content
-- @param modified_ms when it was changed, since 1970
function Archive:add(name, bytes, modified_ms)
  local clock, date = dos_time(modified_ms)
  local described = table.concat({
    number(VERSION, 2), number(UTF8_NAMES, 2), number(STORED, 2), number(clock, 2),
    number(date, 2), number(M.crc32(bytes), 4), number(#bytes, 4), number(#bytes, 4),
    number(#name, 2), number(0, 2),
  })
  self.entries[#self.entries + 1] = "PK\1\2" .. number(3 * 256 + VERSION, 2) .. described
    .. number(0, 2) .. number(0, 2) .. number(0, 2) .. number(REGULAR_FILE, 4)
    .. number(self.offset, 4) .. name
  put(self, "PK\3\4" .. described .. name)
  put(self, bytes)
end

--- Writes the directory at the end of the archive.
function Archive:finish()
  local from = self.offset
  local directory = table.concat(self.entries)
  put(self, directory)
  put(self, "PK\5\6" .. number(0, 4) .. number(#self.entries, 2) .. number(#self.entries, 2)
    .. number(#directory, 4) .. number(from, 4) .. number(0, 2))
end

return M
