--- What the calls on notifications take and answer.

local paging = require("core.paging")
local makers = require("core.schema.fields")
local s = require("core.schema")

local M = {}

--- By which a person can be told something.
M.CHANNELS = { "in_app", "email", "sms", "push" }

local DIGESTS = { "off", "hourly", "daily" }
local TYPES_MAX = 200

local function switches(optional)
  local fields = {}
  for _, channel in ipairs(M.CHANNELS) do
    fields[channel] = s.boolean({ optional = true })
  end
  return s.object(fields, { optional = optional })
end

local CHANNELS = switches()

local function clock()
  return s.string({ pattern = "^[0-2]%d:[0-5]%d$", describe = "a time like 22:00" })
end

local function check_hours(value, problem)
  for _, name in ipairs({ "start", "end" }) do
    if value[name] and value[name] > "23:59" then
      problem(name, "range", "must be at most 23:59")
    end
  end
  if value.start and value.start == value["end"] then
    problem("end", "check", "must be another time than start")
  end
end

-- Types are names that are not known beforehand: each has switches like `channels`.
local function check_types(types, problem)
  local count = 0
  for name, given in pairs(types) do
    count = count + 1
    if not name:find("^%l[%w_.-]*$") or #name > 80 then
      problem("types", "format", "must have names of types such as workorder.assigned")
    end
    local _, problems = CHANNELS:validate(given, { strict = true })
    for _, found in ipairs(problems or {}) do
      problem("types." .. name .. (found.field ~= "" and "." .. found.field or ""), found.code,
        found.message)
    end
  end
  if count > TYPES_MAX then
    problem("types", "length", "must have at most " .. TYPES_MAX .. " entries")
  end
end

local function preferences(name)
  return s.object({
    channels = switches(true),
    types = s.map({ optional = true, describe = "the same for single types, such as "
      .. '{"workorder.assigned": {"email": false}}' }),
    quietHours = s.object({
      start = clock(),
      ["end"] = clock(),
      timezone = makers.timezone(),
    }, { optional = true, nullable = true, check = check_hours }),
    digest = s.enum({ optional = true, unpack(DIGESTS) }),
  }, { name = name, check = function(value, problem)
    if type(value.types) == "table" then
      check_types(value.types, problem)
    end
  end })
end

--- What PUT takes, and what both calls answer.
M.preferences = preferences("NotificationPreferences")

M.notification = s.object({
  id = s.string({ format = "uuid" }),
  type = s.string({ describe = "such as workorder.assigned" }),
  title = s.string(),
  message = s.string(),
  data = s.map({ nullable = true, describe = "what it is about" }),
  readAt = s.string({ format = "date-time", nullable = true }),
  createdAt = s.string({ format = "date-time" }),
}, { name = "Notification" })

M.list = s.array({ of = M.notification })

M.query = paging.query_schema({
  sorts = { "createdAt" },
  filters = {
    unread = s.boolean({ optional = true }),
    type = s.string({ min = 1, max = 80, optional = true }),
  },
})

--- The meta of the list: that of any list, and how many were not read.
M.meta = s.object({
  limit = s.integer(),
  hasMore = s.boolean({ optional = true }),
  nextCursor = s.string({ nullable = true, optional = true }),
  page = s.integer({ optional = true }),
  total = s.integer({ optional = true }),
  totalPages = s.integer({ optional = true }),
  unread = s.integer({ describe = "of all, those that were not read" }),
})

M.read_all = s.object({ read = s.integer({ describe = "how many were not read before" }) })

return M
