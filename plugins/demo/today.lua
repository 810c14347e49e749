-- What came in today: twelve reports, and work in several states.

local town = require("plugins.demo.town")

local M = {}

local HOUR_MS = 3600000

-- {hours ago, category, severity, title, description, place, north, east, picture}
local REPORTS = {
  { 9.6, "pothole", "high", "Deep pothole by the bus stop", "About 10 cm deep. Cyclists swerve "
    .. "into the traffic to avoid it.", "Mill Road, outside number 14", 1.2, -3.1, true },
  { 8.9, "street_light", "medium", "Street light out at the crossing", "Dark for three nights. "
    .. "Children cross here on their way from the sports club.", "Corner of Weir Lane, Mill Road",
    2.4, 0.6, true },
  { 7.7, "graffiti", "low", "Graffiti on the library wall", nil, "Riverton Library, side entrance",
    -0.6, 1.8, true },
  { 6.8, "waste", "low", "Fly-tipping behind the garages", "Bags, two mattresses and a fridge.",
    "Garages off Orchard Close", -3.3, -2.2, true },
  { 5.1, "water_leak", "high", "Water comes up through the road", "Clear water, day and night; "
    .. "freezes in the morning.", "Bridge Street, near the chemist", 0.4, 2.9, true },
  { 4.6, "fallen_tree", "high", "Tree across the riverside path", "Blocks the path completely.",
    "Riverside Walk, below the weir", -1.9, 4.1, true },
  { 3.8, "sidewalk", "medium", "Raised paving slab", "My neighbour fell over it on Tuesday.",
    "Church Street, outside the bakery", 0.9, 1.1, false },
  { 2.9, "traffic_signal", "high", "Pedestrian signal stays red", "Pressing the button does "
    .. "nothing.", "Station Square", 3.1, -1.4, true },
  { 2.2, "parks", "low", "Swing with a broken chain", "One side hangs loose.",
    "Jubilee Park playground", -2.7, 0.3, false },
  { 1.4, "roads", "medium", "Faded markings at the roundabout", nil, "Northgate roundabout", 5.2,
    2.0, false },
  { 0.7, "waste", "medium", "Overflowing bins at the market", "Rats have been seen.",
    "Market Place", 0.1, 0.2, true },
  { 0.3, "electrical", "critical", "Cable hangs over the pavement", "Came down in last night's "
    .. "wind and hums. I keep people away from it.", "Weir Lane, opposite the school", 1.8, 1.5,
    true },
}

--- How many reports that are.
M.COUNT = #REPORTS

local function hazard_of(index)
  local _, category, severity, title, description, place, north, east, has_picture =
    unpack(REPORTS[index], 1, 9)
  return { category = category, severity = severity, title = title, description = description,
    place = town.at(place, north, east), citizen = index % 3 == 0,
    picture = has_picture and index or nil }
end

-- What was done by now about some of them: function(world, report's id by its number).
local function work(world, ids)
  world:order(ids[7])
  world:assign(world:order(ids[2]), "Electrical")

  local pothole = world:order(ids[1])
  world:assign(pothole, 1, "Cold patch first, please.")
  world:act(pothole, "accept", nil, 1)

  local tree = world:order(ids[6])
  world:assign(tree, 2)
  world:act(tree, "accept", nil, 2)
  world:act(tree, "start", nil, 2)

  local bins = world:order(ids[11])
  world:assign(bins, 2)
  world:act(bins, "accept", nil, 2)
  world:act(bins, "start", nil, 2)
  world:remediate(bins, 2, { minutes = 40,
    description = "Emptied, washed down, two bins replaced by larger ones." })
  world:act(bins, "complete", { notes = "All clear", minutesSpent = 40 }, 2)
end

--- Puts today on the agenda.
function M.plan(agenda, now_ms)
  local ids = {}
  for i, entry in ipairs(REPORTS) do
    agenda:add(now_ms - entry[1] * HOUR_MS, function(world)
      ids[i] = world:report(hazard_of(i))
    end)
  end
  agenda:add(now_ms, function(world)
    work(world, ids)
  end)
end

return M
