-- An invented town: its places, and people who report.

local M = {}

-- About here.
local CENTRE = { latitude = 51.4545, longitude = -2.6015 }

-- Where there is traffic, and where there is not: {name, north, east}, thousandths of a degree.
local PLACES = {
  street = {
    { "Mill Road, outside number 14", 1.2, -3.1 },
    { "Mill Road, by the railway bridge", 2.9, -4.4 },
    { "Weir Lane, opposite the school", 1.8, 1.5 }, { "Weir Lane, at the bend", 2.1, 3.3 },
    { "Bridge Street, near the chemist", 0.4, 2.9 },
    { "Bridge Street, outside the bank", 0.2, 1.9 },
    { "Church Street, outside the bakery", 0.9, 1.1 },
    { "Church Street, by the lychgate", 1.4, 0.5 }, { "Market Place", 0.1, 0.2 },
    { "Station Square", 3.1, -1.4 }, { "Station Road, taxi rank", 3.6, -1.9 },
    { "Northgate roundabout", 5.2, 2.0 }, { "Northgate, by the petrol station", 5.8, 2.6 },
    { "Orchard Close, by the garages", -3.3, -2.2 },
    { "Orchard Close, turning circle", -3.7, -2.6 },
    { "Riverton Library, side entrance", -0.6, 1.8 }, { "Library car park", -0.9, 2.2 },
    { "Castle Hill, first hairpin", 4.1, 5.7 }, { "Tanner's Row, number 8", -0.3, -1.6 },
    { "Tanner's Row, at the steps", -0.5, -2.1 }, { "Victoria Avenue, number 52", 1.7, -6.2 },
    { "Victoria Avenue, bus stop", 1.4, -7.0 }, { "Albert Street, by the surgery", 0.7, -5.1 },
    { "Albert Street, number 31", 0.2, -5.6 }, { "Quayside, by the crane", -1.4, 6.9 },
    { "Quayside car park", -1.1, 7.6 }, { "Elm Grove, number 3", -4.6, 1.9 },
    { "Elm Grove, by the phone box", -4.9, 2.5 }, { "School Lane, at the crossing", 2.6, 2.2 },
    { "School Lane, back gate", 2.9, 2.8 }, { "Hospital Road, main entrance", 6.3, -3.8 },
    { "Hospital Road, by the ambulance bay", 6.6, -4.2 },
    { "Meadow View, number 77", -5.8, -4.4 }, { "Cannon Street, outside the cinema", -0.2, 3.6 },
    { "Cannon Street, multi-storey car park", -0.4, 4.2 }, { "Brewery Yard", 1.1, 3.9 },
    { "Kingfisher Way, number 19", -3.9, 6.1 },
    { "Kingfisher Way, junction with the ring road", -4.4, 7.2 },
    { "Ring road, lay-by 2", 7.4, 0.6 },
  },
  green = {
    { "Riverside Walk, below the weir", -1.9, 4.1 },
    { "Riverside Walk, at the boathouse", -2.8, 5.6 }, { "Jubilee Park playground", -2.7, 0.3 },
    { "Jubilee Park, east gate", -2.4, 1.4 }, { "Castle Hill, viewpoint", 4.6, 6.6 },
    { "Meadow View, footpath to the fields", -6.2, -4.9 },
    { "Priory Gardens, rose beds", -1.6, -0.9 }, { "Allotments, Meadow Lane", -5.1, -1.2 },
    { "Sports ground, changing rooms", 3.4, 7.4 },
  },
}

-- Of those who leave a name: they do not sign in.
local PEOPLE = {
  "Agnes Abbott", "Ben Okafor", "Carys Morgan", "Devi Patel", "Ewan Fraser", "Fatima Hassan",
  "George Lomax", "Hannah Weiss", "Imran Qureshi", "Joan Pettifer", "Kofi Mensah", "Lily Zhang",
  "Martin Rowe", "Niamh Kelly", "Oscar Lind", "Priya Nair",
}

-- To five decimals, about a metre, as phones say it.
local function degrees(centre, thousandths)
  return math.floor((centre + thousandths / 1000) * 1e5 + 0.5) / 1e5
end

--- A position by how far it is from the middle of the town.
function M.at(description, north, east)
  return { description = description, latitude = degrees(CENTRE.latitude, north),
    longitude = degrees(CENTRE.longitude, east) }
end

--- Some place, or some steps away from where its name says.
-- @param roll function(n) -> a random number from 1 to n
-- @param kind "street" or "green"
function M.place(roll, kind)
  local name, north, east = unpack(PLACES[kind][roll(#PLACES[kind])])
  return M.at(name, north + (roll(60) - 30) / 100, east + (roll(60) - 30) / 100)
end

--- The contact of somebody who reports without an account.
function M.reporter(number)
  local name = PEOPLE[(number - 1) % #PEOPLE + 1]
  return { name = name, email = name:lower():gsub(" ", ".") .. "@mail.example" }
end

return M
