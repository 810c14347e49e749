-- Positions on the globe: distances, boxes and geohash cells.
--
-- A report is found by its place through the text column `cell` (a geohash, longer = smaller):
-- a box is covered by a few cell prefixes, each of which is one range of an ordinary index.

local M = {}

local ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"
local EARTH_RADIUS_M = 6371008.8
local METRES_PER_DEGREE = EARTH_RADIUS_M * math.pi / 180

-- Length of the stored cell: about 5 m by 5 m.
M.PRECISION = 9

-- Size of a cell in degrees. A geohash letter holds five bits, taken in turn from longitude
-- (first) and latitude.
local function cell_size(precision)
  local bits = precision * 5
  local longitude_bits = math.ceil(bits / 2)
  return 180 / 2 ^ (bits - longitude_bits), 360 / 2 ^ longitude_bits
end

--- Returns the geohash of a position.
-- @param precision number of letters, M.PRECISION by default
function M.encode(latitude, longitude, precision)
  local south, north, west, east = -90, 90, -180, 180
  local letters, is_longitude = {}, true
  for i = 1, precision or M.PRECISION do
    local index = 0
    for _ = 1, 5 do
      local low, high, value
      if is_longitude then
        low, high, value = west, east, longitude
      else
        low, high, value = south, north, latitude
      end
      local middle = (low + high) / 2
      local bit = value >= middle and 1 or 0
      if bit == 1 then low = middle else high = middle end
      if is_longitude then west, east = low, high else south, north = low, high end
      index = index * 2 + bit
      is_longitude = not is_longitude
    end
    letters[i] = ALPHABET:sub(index + 1, index + 1)
  end
  return table.concat(letters)
end

jit.on(M.encode) -- 45 turns of a short loop for each report

--- Returns the distance between two positions in metres (great circle).
function M.distance(latitude_a, longitude_a, latitude_b, longitude_b)
  local a, b = math.rad(latitude_a), math.rad(latitude_b)
  local half_lat, half_lng = (b - a) / 2, math.rad(longitude_b - longitude_a) / 2
  local h = math.sin(half_lat) ^ 2 + math.cos(a) * math.cos(b) * math.sin(half_lng) ^ 2
  return 2 * EARTH_RADIUS_M * math.asin(math.min(1, math.sqrt(h)))
end

--- Returns the box {south, west, north, east} that holds the circle of `radius` metres.
function M.box_around(latitude, longitude, radius)
  local d_lat = radius / METRES_PER_DEGREE
  -- Near the poles a degree of longitude shrinks to nothing; the clamp keeps the box finite.
  local d_lng = math.min(180, d_lat / math.max(math.cos(math.rad(latitude)), 1e-6))
  return {
    south = math.max(-90, latitude - d_lat),
    north = math.min(90, latitude + d_lat),
    west = math.max(-180, longitude - d_lng),
    east = math.min(180, longitude + d_lng),
  }
end

-- The cells that were asked for: a town lies in few. [precision][key of place] = prefix
local known, known_count = {}, 0
local KNOWN_MAX = 4000

local function cell_at(precision, row, column, height, width)
  local of_size = known[precision]
  local key = row * (360 / width + 1) + column -- the box may end at 180 degrees, one column on
  local cell = of_size and of_size[key]
  if not cell then
    if known_count >= KNOWN_MAX then
      known, known_count, of_size = {}, 0, nil
    end
    cell = M.encode(math.min(90, (row + 0.5) * height - 90),
      math.min(180, (column + 0.5) * width - 180), precision)
    known[precision] = of_size or {}
    known[precision][key] = cell
    known_count = known_count + 1
  end
  return cell
end

-- The cells of one size that a box touches, or nil when they are more than `max`.
local function cells(box, precision, max)
  local height, width = cell_size(precision)
  local row = math.floor((box.south + 90) / height)
  local last_row = math.floor((box.north + 90) / height)
  local column = math.floor((box.west + 180) / width)
  local last_column = math.floor((box.east + 180) / width)
  if (last_row - row + 1) * (last_column - column + 1) > max then
    return nil
  end
  local found, seen = {}, {}
  for y = row, last_row do
    for x = column, last_column do
      local cell = cell_at(precision, y, x, height, width)
      if not seen[cell] then
        seen[cell] = true
        found[#found + 1] = cell
      end
    end
  end
  return found
end

--- The geohash prefixes of that many letters in which a box lies, or nil when they are more than
-- `max`.
M.cells = cells

--- Covers a box with geohash prefixes: the smallest cells of which at most `max` are needed.
-- @return list of prefixes; empty when even the largest cells are too many (ask without cells)
function M.cover(box, max)
  for precision = M.PRECISION, 1, -1 do
    local found = cells(box, precision, max or 16)
    if found then
      return found
    end
  end
  return {}
end

return M
