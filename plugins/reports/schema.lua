-- What the calls on reports take.

local s = require("core.schema")

local M = {}

M.SEVERITIES = { "low", "medium", "high", "critical" }
M.STATUSES = {
  "submitted", "acknowledged", "in_progress", "resolved", "closed", "rejected", "duplicate",
  "reopened",
}
-- The sources a caller may name; open311, bulk and sync are set by those who are them.
local SOURCES = { "web", "mobile", "api" }

local function location_fields()
  return {
    description = s.string({ min = 1, max = 500, optional = true, trim = true }),
    latitude = s.number({ min = -90, max = 90, decimals = 7, optional = true }),
    longitude = s.number({ min = -180, max = 180, decimals = 7, optional = true }),
    accuracy = s.number({ min = 0, max = 100000, optional = true, describe = "metres" }),
  }
end

-- Cross-field rules run on what the caller sent, so they look at types themselves.
local function check_location(value, problem)
  local location = type(value.location) == "table" and value.location or {}
  if (location.latitude == nil) ~= (location.longitude == nil) then
    local missing = location.latitude == nil and "latitude" or "longitude"
    problem("location." .. missing, "required", "latitude and longitude go together")
  elseif location.latitude == nil and location.description == nil then
    problem("location", "required", "must have coordinates or a description")
  end
end

local function fields(changes)
  local optional = changes or nil
  return {
    title = s.string({ min = 3, max = 200, trim = true, optional = optional }),
    description = s.string({ max = 5000, optional = true }),
    category = s.string({ min = 1, max = 64, optional = optional }),
    severity = s.enum({ "low", "medium", "high", "critical", optional = true }),
    location = s.object(location_fields(), { optional = optional }),
    metadata = s.map({ optional = true }),
    tags = s.array({ of = s.string({ min = 1, max = 40, trim = true }), max = 20,
      optional = true }),
  }
end

local function creation()
  local all = fields(false)
  all.source = s.enum({ SOURCES[1], SOURCES[2], SOURCES[3], optional = true, default = "api" })
  all.reporter = s.object({
    name = s.string({ min = 1, max = 200, optional = true, trim = true, format = "line" }),
    email = s.string({ format = "email", max = 254, optional = true }),
    phone = s.string({ format = "phone", optional = true }),
  }, { optional = true })
  return all
end

M.create = s.object(creation(), { check = check_location })

M.update = s.object(fields(true), {
  check = function(value, problem)
    if value.location ~= nil then
      check_location(value, problem)
    end
  end,
})

M.id = s.object({ id = s.string({ format = "uuid" }) })

M.code = s.object({ code = s.string({ min = 1, max = 16 }) })

M.status = s.object({
  status = s.string({ min = 1, max = 32 }),
  reason = s.string({ min = 1, max = 1000, optional = true, trim = true }),
})

M.merge = s.object({
  into = s.string({ format = "uuid", describe = "the report that goes on" }),
})

M.nearby = s.object({
  lat = s.number({ min = -90, max = 90 }),
  lng = s.number({ min = -180, max = 180 }),
  radius = s.number({ min = 1, max = 5000, optional = true, default = 500, describe = "metres" }),
  limit = s.integer({ min = 1, max = 100, optional = true, default = 20 }),
})

-- Text of the form "number,number,…" with a fixed count of numbers.
local NUMBER = "^%s*(%-?%d+%.?%d*)%s*$"

--- Returns the numbers of a comma-separated text, or nil when they are not `count` numbers.
function M.numbers(text, count)
  local found = {}
  for part in (text .. ","):gmatch("([^,]*),") do
    local number = tonumber(part:match(NUMBER))
    if not number then
      return nil
    end
    found[#found + 1] = number
  end
  return #found == count and found or nil
end

local function check_list(query, problem)
  local box = query.bbox and M.numbers(query.bbox, 4)
  if query.bbox and not (box and box[1] <= box[3] and box[2] <= box[4]
      and box[1] >= -180 and box[3] <= 180 and box[2] >= -90 and box[4] <= 90) then
    problem("bbox", "format", "must be minLng,minLat,maxLng,maxLat")
  end
  local near = query.near and M.numbers(query.near, 2)
  if query.near and not (near and math.abs(near[1]) <= 90 and math.abs(near[2]) <= 180) then
    problem("near", "format", "must be lat,lng")
  end
end

M.list_filters = {
  status = s.list({ of = s.string({ pattern = "^%l[%l%d_]*$", max = 32 }), optional = true,
    describe = "of " .. table.concat(M.STATUSES, ", ") .. ", and what the tenant's rules add" }),
  severity = s.list({ of = s.enum(M.SEVERITIES), optional = true }),
  category = s.list({ of = s.string({ max = 64 }), optional = true }),
  tag = s.string({ max = 40, optional = true }),
  reporter = s.string({ format = "uuid", optional = true }),
  createdFrom = s.string({ format = "date-time", optional = true }),
  createdTo = s.string({ format = "date-time", optional = true }),
  bbox = s.string({ max = 100, optional = true, describe = "minLng,minLat,maxLng,maxLat" }),
  near = s.string({ max = 60, optional = true, describe = "lat,lng" }),
  radius = s.number({ min = 1, max = 50000, optional = true, default = 1000,
    describe = "metres around near" }),
  q = s.string({ min = 1, max = 200, optional = true, trim = true }),
  overdue = s.boolean({ optional = true }),
  assignee = s.string({ format = "uuid", optional = true,
    describe = "user who has a work order on it; for those with reports.read" }),
  include = s.list({ of = s.string({ min = 1, max = 40 }), max = 10, optional = true,
    describe = "attachments, and with reports.read what other plugins add: workOrders" }),
}
M.check_list = check_list

return M
