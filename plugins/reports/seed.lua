-- The demo reports of Riverton, some with pictures. They go through the same door as anybody's:
-- the service and the files' checks. Does nothing when the tenant has reports.

local config = require("core.config")
local context = require("core.context")
local errors = require("core.errors")
local fs = require("core.fs")
local json = require("core.json")
local uuid = require("core.uuid")
local identity = require("services.identity")
local service = require("plugins.reports.service")
local seed_picture = require("plugins.reports.seed_picture")
local store = require("plugins.reports.store")

local M = {}

local TENANT = "riverton"
-- An invented town around this point.
local CENTRE = { latitude = 51.4545, longitude = -2.6015 }

-- {category, severity, title, description, place, north, east (thousandths of a degree), picture}
local REPORTS = {
  { "pothole", "high", "Deep pothole by the bus stop", "About 10 cm deep. Cyclists swerve into "
    .. "the traffic to avoid it.", "Mill Road, outside number 14", 1.2, -3.1, true },
  { "street_light", "medium", "Street light out at the crossing", "Dark for three nights. "
    .. "Children cross here on their way from the sports club.", "Corner of Weir Lane, Mill Road",
    2.4, 0.6, true },
  { "graffiti", "low", "Graffiti on the library wall", nil, "Riverton Library, side entrance", -0.6,
    1.8, true },
  { "waste", "low", "Fly-tipping behind the garages", "Bags, two mattresses and a fridge.",
    "Garages off Orchard Close", -3.3, -2.2, true },
  { "water_leak", "high", "Water comes up through the road", "Clear water, day and night; "
    .. "freezes in the morning.", "Bridge Street, near the chemist", 0.4, 2.9, true },
  { "fallen_tree", "high", "Tree across the riverside path", "Blocks the path completely.",
    "Riverside Walk, below the weir", -1.9, 4.1, true },
  { "sidewalk", "medium", "Raised paving slab", "My neighbour fell over it on Tuesday.",
    "Church Street, outside the bakery", 0.9, 1.1, false },
  { "traffic_signal", "high", "Pedestrian signal stays red", "Pressing the button does nothing.",
    "Station Square", 3.1, -1.4, true },
  { "parks", "low", "Swing with a broken chain", "One side hangs loose.",
    "Jubilee Park playground", -2.7, 0.3, false },
  { "roads", "medium", "Faded markings at the roundabout", nil, "Northgate roundabout", 5.2, 2.0,
    false },
  { "waste", "medium", "Overflowing bins at the market", "Rats have been seen.",
    "Market Place", 0.1, 0.2, true },
  { "electrical", "critical", "Cable hangs over the pavement", "Came down in last night's wind and "
    .. "hums. I keep people away from it.", "Weir Lane, opposite the school", 1.8, 1.5, true },
}

--- Returns a context in which a demo member with the role acts; `index` picks one of several.
function M.acting(ctx, role, index)
  local member = identity.members_with_role(ctx, { role })[index or 1]
  return ctx:with({
    actor = {
      kind = "user", user_id = member.id, name = member.name, role = member.role,
      silent = true, -- nobody wants mails of what never happened
      permissions = setmetatable({}, { __index = function(_, permission)
        return identity.role_has(member.role, permission)
      end }),
    },
  })
end

--- Returns a context of the demo tenant, or nil when there is none.
function M.context(ctx)
  local tenant = identity.find_tenant_by_slug(ctx, TENANT)
  return tenant and context.system({ tenant = tenant, name = "seed" })
end

--- Returns the id of the newest report of that title.
function M.find_by_title(ctx, title)
  return store.find_by_title(ctx, title)
end

-- A drawn picture as an upload: a file in the folder for them. What is not kept is swept with it.
local function upload(category, index)
  local path = config.get().server.data .. "/tmp/seed-" .. uuid.v7() .. ".png"
  local bytes = seed_picture.draw(category, index)
  errors.check(fs.write(path, bytes))
  return { name = "photos", filename = category .. ".png", type = "image/png", path = path,
    size = #bytes }
end

-- To five decimals, about a metre, as phones say it.
local function degrees(centre, thousandths)
  return math.floor((centre + thousandths / 1000) * 1e5 + 0.5) / 1e5
end

local function input_of(entry)
  local category, severity, title, description, place, north, east = unpack(entry, 1, 7)
  return {
    title = title, description = description, category = category, severity = severity,
    location = { description = place, latitude = degrees(CENTRE.latitude, north),
      longitude = degrees(CENTRE.longitude, east) },
    source = "web", metadata = {}, tags = json.array({}),
  }
end

--- Makes the demo reports.
-- @return how many were made
function M.run(ctx)
  local own = M.context(ctx)
  if not own or store.count(own, {}) > 0 then
    return 0
  end
  local anonymous = own:with({ actor = { kind = "anonymous", permissions = {} } })
  local citizen = M.acting(own, "public")
  for i, entry in ipairs(REPORTS) do
    local photos = entry[8] and { upload(entry[1], i) } or {}
    local who = i % 3 == 0 and citizen or anonymous
    service.create(who, input_of(entry), photos)
    for _, photo in ipairs(photos) do
      fs.unlink(photo.path)
    end
  end
  return #REPORTS
end

return M
