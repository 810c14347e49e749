-- geo: distances in metres, and whether a place lies inside an area.
local sandbox = ...

local RADIUS_M = 6371008.8
local rad, sin, cos = math.rad, math.sin, math.cos

local function is_between(value, max)
  return type(value) == "number" and value >= -max and value <= max
end

-- A place is {latitude =, longitude =}, such as the location of a report.
local function place(name, value)
  if type(value) ~= "table" or not is_between(value.latitude, 90)
    or not is_between(value.longitude, 180) then
    sandbox.fail("SCRIPT_ERROR", name .. " takes places with latitude and longitude")
  end
  return value.longitude, value.latitude
end

local function distance(a, b)
  local lng_a, lat_a = place("geo.distance", a)
  local lng_b, lat_b = place("geo.distance", b)
  local half_lat, half_lng = sin(rad(lat_b - lat_a) / 2), sin(rad(lng_b - lng_a) / 2)
  local chord = half_lat * half_lat + cos(rad(lat_a)) * cos(rad(lat_b)) * half_lng * half_lng
  return 2 * RADIUS_M * math.asin(math.min(1, math.sqrt(chord)))
end

local function bad_area()
  sandbox.fail("SCRIPT_ERROR", "geo.inside takes a GeoJSON Polygon or MultiPolygon, or a list of "
    .. "places, as the area")
end

-- A corner as GeoJSON has it, {longitude, latitude}, or a place.
local function corner(value)
  if type(value) ~= "table" then
    bad_area()
  elseif value.latitude ~= nil then
    return place("geo.inside", value)
  elseif type(value[1]) ~= "number" or type(value[2]) ~= "number" then
    bad_area()
  end
  return value[1], value[2]
end

-- Whether a ray from the point crosses the ring an odd number of times.
local function in_ring(x, y, ring)
  if type(ring) ~= "table" or #ring < 3 then
    bad_area()
  end
  local inside = false
  local x1, y1 = corner(ring[#ring])
  for i = 1, #ring do
    local x2, y2 = corner(ring[i])
    if (y1 > y) ~= (y2 > y) and x < (x1 - x2) * (y - y2) / (y1 - y2) + x2 then
      inside = not inside
    end
    x1, y1 = x2, y2
  end
  return inside
end

-- The first ring is the outer one, the others are holes.
local function in_polygon(x, y, rings)
  if type(rings) ~= "table" then
    bad_area()
  elseif not in_ring(x, y, rings[1]) then
    return false
  end
  for i = 2, #rings do
    if in_ring(x, y, rings[i]) then
      return false
    end
  end
  return true
end

local function inside(point, area)
  local x, y = place("geo.inside", point)
  if type(area) ~= "table" then
    bad_area()
  elseif area.type == "Polygon" then
    return in_polygon(x, y, area.coordinates)
  elseif area.type == "MultiPolygon" and type(area.coordinates) == "table" then
    for _, rings in ipairs(area.coordinates) do
      if in_polygon(x, y, rings) then
        return true
      end
    end
    return false
  elseif area.type ~= nil then
    bad_area()
  end
  return in_ring(x, y, area)
end

sandbox.define("geo", { distance = distance, inside = inside })
