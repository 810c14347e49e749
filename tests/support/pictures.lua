--- Pictures for the tests, made on the spot: nothing binary is kept in the tree.
local server = require("tests.support.server")

local M = {}

local function be32(n)
  return string.char(bit.band(bit.rshift(n, 24), 255), bit.band(bit.rshift(n, 16), 255),
    bit.band(bit.rshift(n, 8), 255), bit.band(n, 255))
end

local function be16(n)
  return string.char(bit.rshift(n, 8), bit.band(n, 255))
end

local function crc32(data)
  local crc = 0xffffffff
  for i = 1, #data do
    crc = bit.bxor(crc, data:byte(i))
    for _ = 1, 8 do
      crc = bit.bxor(bit.rshift(crc, 1), bit.band(0xedb88320, -bit.band(crc, 1)))
    end
  end
  return bit.bnot(crc)
end

local function png_chunk(kind, data)
  return be32(#data) .. kind .. data .. be32(crc32(kind .. data))
end

--- A PNG whose header claims any size, with a few bytes of pixels behind it.
function M.png_claiming(width, height)
  local empty_deflate = "\x78\x9c\x03\x00\x00\x00\x00\x01"
  return "\137PNG\r\n\26\n" .. png_chunk("IHDR", be32(width) .. be32(height) .. "\8\2\0\0\0")
    .. png_chunk("IDAT", empty_deflate) .. png_chunk("IEND", "")
end

local function rational(n, d)
  return be32(n) .. be32(d)
end

--- An EXIF segment (big-endian TIFF) with orientation and position; CIPA DC-008 4.6.
local function exif(gps, orientation)
  local function entry(tag, kind, count, value)
    return be16(tag) .. be16(kind) .. be32(count) .. value
  end
  local gps_at = 8 + 2 + 2 * 12 + 4
  local data_at = gps_at + 2 + 4 * 12 + 4
  local function degrees(value)
    local whole = math.floor(math.abs(value))
    local minutes = (math.abs(value) - whole) * 60
    return rational(whole, 1) .. rational(math.floor(minutes), 1)
      .. rational(math.floor((minutes % 1) * 60 * 1000 + 0.5), 1000)
  end
  local tiff = "MM\0\42" .. be32(8)
    .. be16(2) .. entry(0x0112, 3, 1, be16(orientation or 1) .. "\0\0") .. entry(0x8825, 4, 1, be32(gps_at)) .. be32(0)
    .. be16(4)
    .. entry(1, 2, 2, (gps.latitude < 0 and "S" or "N") .. "\0\0\0") .. entry(2, 5, 3, be32(data_at))
    .. entry(3, 2, 2, (gps.longitude < 0 and "W" or "E") .. "\0\0\0") .. entry(4, 5, 3, be32(data_at + 24))
    .. be32(0) .. degrees(gps.latitude) .. degrees(gps.longitude)
  local body = "Exif\0\0" .. tiff
  return "\xff\xe1" .. be16(#body + 2) .. body
end

--- A JPEG of noise. @param options {gps={latitude=,longitude=}, orientation=}
function M.jpeg(width, height, options)
  local path = os.tmpname()
  local code, output = server.shell(("vips gaussnoise %s.jpg %d %d"):format(path, width, height))
  assert(code == 0, output)
  local data = server.read_file(path .. ".jpg")
  os.remove(path)
  os.remove(path .. ".jpg")
  if options and options.gps then
    data = data:sub(1, 2) .. exif(options.gps, options.orientation) .. data:sub(3)
  end
  return data
end

return M
