-- Draws the demo reports' pictures: a street scene with the hazard in it.

local png = require("plugins.demo.png")

local M = {}

local WIDTH, HEIGHT = 640, 480
local HORIZON = 250

local PALETTE = {
  { 186, 214, 235 }, { 203, 225, 240 }, { 222, 235, 242 }, -- 0-2 sky, down to the horizon
  { 150, 160, 150 }, { 122, 140, 118 }, { 98, 128, 92 }, -- 3-5 far trees, hedge, grass
  { 92, 94, 98 }, { 84, 86, 90 }, { 235, 235, 225 }, -- 6-8 asphalt, its grain, markings
  { 40, 38, 40 }, { 62, 58, 56 }, -- 9-10 dark, shadow
  { 70, 74, 82 }, { 250, 214, 90 }, { 214, 60, 46 }, -- 11-13 metal, lamp, red
  { 74, 118, 160 }, { 126, 176, 210 }, -- 14-15 water, its light
  { 96, 70, 48 }, { 62, 104, 56 }, { 86, 134, 70 }, -- 16-18 bark, leaves
  { 176, 164, 148 }, { 158, 146, 130 }, -- 19-20 wall, its joints
  { 204, 70, 160 }, { 60, 170, 190 }, { 40, 44, 60 }, { 240, 150, 40 }, -- 21-24 paint, bags, cone
}

-- A pseudo-random number in [0, 1) that is the same each time: a picture is its arguments.
local function noise(x, y, seed)
  local n = math.sin(x * 12.9898 + y * 78.233 + seed * 37.719) * 43758.5453
  return n - math.floor(n)
end

local function background(x, y, seed)
  if y < HORIZON then
    local roof = HORIZON - 40 - 30 * noise(math.floor(x / 70), 1, seed)
    if y > roof then
      return y > HORIZON - 18 and 4 or 3
    end
    return math.min(2, math.floor(3 * (y + 12 * noise(x, y, seed)) / HORIZON))
  end
  local depth = (y - HORIZON) / (HEIGHT - HORIZON)
  local from_middle = math.abs(x - WIDTH / 2)
  local half_road = 60 + 330 * depth
  if from_middle > half_road then
    return noise(x, y, seed) > 0.8 and 4 or 5
  end
  if from_middle < 2 + 5 * depth and math.floor((depth + 0.05) * 9) % 2 == 0 then
    return 8
  end
  return noise(x, y, seed) > 0.75 and 7 or 6
end

local function in_ellipse(x, y, cx, cy, rx, ry)
  return ((x - cx) / rx) ^ 2 + ((y - cy) / ry) ^ 2 <= 1
end

local function in_box(x, y, left, top, right, bottom)
  return x >= left and x <= right and y >= top and y <= bottom
end

-- The thing in the picture: function(x, y, seed) -> colour, or nil where it is not.
local HAZARDS = {
  pothole = function(x, y, seed)
    local ragged = 14 * noise(math.floor(math.atan2(y - 380, x - 330) * 6), 2, seed)
    if in_ellipse(x, y, 330, 384, 84 + ragged, 26 + ragged / 3) then
      return 9
    elseif in_ellipse(x, y, 330, 380, 104 + ragged, 36 + ragged / 2) then
      return 10
    end
  end,
  street_light = function(x, y)
    if in_box(x, y, 470, 90, 480, 400) or in_box(x, y, 400, 88, 480, 96) then
      return 11
    elseif in_ellipse(x, y, 408, 102, 24, 11) then
      return 10
    end
  end,
  electrical = function(x, y)
    local sag = 120 + 0.0011 * (x - 200) ^ 2
    if in_box(x, y, 190, 60, 206, 410) or in_box(x, y, 150, 84, 250, 92) then
      return 16
    elseif x > 200 and x < 520 and math.abs(y - sag) < 2.5 then
      return 9
    elseif in_ellipse(x, y, 520, 232, 13, 13) then
      return 12
    end
  end,
  water_leak = function(x, y, seed)
    if in_ellipse(x, y, 300, 390, 190, 44) then
      return noise(x, math.floor(y / 3), seed) > 0.86 and 15 or 14
    elseif math.abs(x - 300) < 10 and y > 300 and y < 390 then
      return 15
    end
  end,
  fallen_tree = function(x, y, seed)
    local trunk = 350 - 0.12 * (x - 150)
    if x > 120 and x < 460 and math.abs(y - trunk) < 15 then
      return 16
    elseif in_ellipse(x, y, 480, 305, 120, 74) then
      return noise(math.floor(x / 7), math.floor(y / 7), seed) > 0.5 and 17 or 18
    end
  end,
  graffiti = function(x, y)
    if not in_box(x, y, 90, 110, 560, 330) then
      return nil
    end
    local wave = 215 + 46 * math.sin(x / 34)
    if x > 150 and x < 500 and math.abs(y - wave) < 12 then
      return 21
    elseif x > 170 and x < 480 and math.abs(y - wave - 30) < 8 then
      return 22
    end
    return (y % 24 < 2 or (x + 24 * (math.floor(y / 24) % 2)) % 48 < 2) and 20 or 19
  end,
  waste = function(x, y)
    if in_ellipse(x, y, 250, 360, 58, 46) or in_ellipse(x, y, 330, 372, 50, 38) then
      return 23
    elseif in_box(x, y, 360, 310, 450, 396) then
      return (x + y) % 30 < 3 and 16 or 20
    end
  end,
  traffic_signal = function(x, y)
    for i, colour in ipairs({ 10, 10, 10 }) do
      if in_ellipse(x, y, 470, 100 + i * 40, 14, 14) then
        return colour
      end
    end
    if in_box(x, y, 446, 112, 494, 250) then
      return 9
    elseif in_box(x, y, 464, 250, 476, 410) then
      return 11
    end
  end,
}
HAZARDS.roads, HAZARDS.sidewalk = HAZARDS.pothole, HAZARDS.pothole
HAZARDS.parks = HAZARDS.fallen_tree

-- A cone stands beside every hazard: the pictures are of one council.
local function cone(x, y)
  local half = (y - 386) / 2.6
  if y > 386 and y < 446 and math.abs(x - 545) < half + 4 then
    return (y > 408 and y < 422) and 8 or 24
  end
end

--- Returns the PNG bytes of a picture of that kind of hazard (a category); `seed` varies it.
-- @param step 1, or 2 for a picture of half the width and height
function M.draw(category, seed, step)
  local hazard = HAZARDS[category] or HAZARDS.waste
  local rows = {}
  for y = 0, HEIGHT - 1, step do
    local line = {}
    for x = 0, WIDTH - 1, step do
      line[#line + 1] = string.char(cone(x, y) or hazard(x, y, seed) or background(x, y, seed))
    end
    rows[#rows + 1] = table.concat(line)
  end
  return png.encode(rows, PALETTE)
end

return M
