--- What a tenant can set. Each is absent until it is set; null takes it back.

local makers = require("core.schema.fields")
local s = require("core.schema")

local M = {}

local DAYS = { "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday" }
local SEVERITIES = { "low", "medium", "high", "critical" }
local FIELD_TYPES = { "text", "number", "boolean", "choice" }
local HOURS_MAX = 8760 -- a year
local PERCENT_MAX, STEPS_MAX = 1000, 10
local PORT_MAX = 65535
local TOLD = { "assignee", "team", "technician", "dispatcher", "admin", "owner" }

local function severity()
  return s.enum({ optional = true, unpack(SEVERITIES) })
end

local function hours()
  return s.number({ min = 0.25, max = HOURS_MAX, decimals = 2, optional = true })
end

local function label(max)
  return s.string({ min = 1, max = max, trim = true, format = "line" })
end

local function color()
  return s.string({ pattern = "^#%x%x%x%x%x%x$", optional = true,
    describe = "a color like #1f5fbf" })
end

local function clock()
  return s.string({ pattern = "^[0-2]%d:[0-5]%d$",
    describe = "a time like 08:30, up to 24:00" })
end

local function check_span(value, problem)
  if value.from and value.to and not (value.from < value.to and value.to <= "24:00") then
    problem("to", "range", "must be after from, and at most 24:00")
  end
end

local function week()
  local days = {}
  for _, day in ipairs(DAYS) do
    days[day] = s.array({ of = s.object({ from = clock(), to = clock() },
      { check = check_span }), max = 6, optional = true })
  end
  return days
end

-- Days with other names are no fields; who gives nothing else would be open day and night.
local function check_week(value, problem)
  for _, day in ipairs(DAYS) do
    if value[day] and #value[day] > 0 then
      return
    end
  end
  problem("", "required", "must have the hours of a day, monday to sunday; null is day and night")
end

local function by_severity()
  local all = {}
  for _, name in ipairs(SEVERITIES) do
    all[name] = hours()
  end
  return all
end

-- What a report of a category tells besides, in its metadata.
local FIELD = s.object({
  name = s.string({ pattern = "^%a[%w_]*$", max = 40, describe = "a letter, then letters, digits "
    .. "and underscores" }),
  label = label(100),
  type = s.enum({ default = "text", unpack(FIELD_TYPES) }),
  required = s.boolean({ default = false }),
  options = s.array({ of = label(100), min = 1, max = 50, optional = true }),
}, {
  name = "CategoryField",
  check = function(field, problem)
    if field.type == "choice" and not field.options then
      problem("options", "required", "is required for a choice")
    end
  end,
})

local CATEGORY = s.object({
  code = s.string({ pattern = "^[a-z0-9_]+$", max = 64, describe = "lower-case letters, digits "
    .. "and underscores" }),
  name = label(100),
  icon = s.string({ pattern = "^[a-z0-9-]+$", max = 40, optional = true,
    describe = "the name of an icon" }),
  severity = severity(),
  slaHours = hours(),
  fields = s.array({ of = FIELD, max = 20, optional = true }),
}, { name = "CategorySetting" })

-- What happens when so much of the time has gone in which something is to be done.
local function escalation(more)
  local step = {
    percent = s.integer({ min = 1, max = PERCENT_MAX, describe = "of the hours it may take" }),
    notify = s.array({ of = s.enum(TOLD), max = #TOLD, optional = true,
      describe = "who is told: roles; of a work order also who has it, and their team" }),
  }
  for name, schema in pairs(more) do
    step[name] = schema
  end
  return s.array({ of = s.object(step), max = STEPS_MAX, optional = true })
end

-- Ports as they are compared: 1 to 65535, without zeros in front.
local function check_ports(value, problem)
  for i, host in ipairs(type(value.allowedHosts) == "table" and value.allowedHosts or {}) do
    local port = host:match("^[%w.-]+:(%d*)$")
    local number = tonumber(port) or 0
    if port and (number < 1 or number > PORT_MAX or tostring(number) ~= port) then
      problem(("allowedHosts[%d]"):format(i - 1), "range", "must have a port of 1 to 65535")
    end
  end
end

local function fields()
  local optional = { nullable = true, optional = true }
  local function list(of, max, describe)
    return s.array({ of = of, min = 1, max = max, nullable = true, optional = true,
      describe = describe })
  end
  return {
    branding = s.object({
      displayName = s.string({ min = 1, max = 100, trim = true, optional = true }),
      primaryColor = color(),
      accentColor = color(),
      logoUrl = s.string({ format = "url", optional = true }),
    }, optional),
    timezone = makers.timezone(true),
    languages = list(s.string({ pattern = "^%l%l%l?%-?[%w-]*$", max = 20,
      describe = "a language tag like en or pt-BR" }), 20),
    businessHours = s.object(week(), { nullable = true, optional = true, check = check_week }),
    holidays = list(s.object({ date = s.string({ format = "date" }), name = label(100) }), 400),
    categories = list(CATEGORY, 200),
    slaHours = s.object(by_severity(), optional),
    escalation = s.object({
      reports = escalation({}),
      workorders = escalation({
        raisePriority = s.boolean({ optional = true }),
        teamId = s.string({ format = "uuid", optional = true,
          describe = "the team that gets it instead" }),
      }),
    }, optional),
    scripts = s.object({
      allowedHosts = s.array({ of = s.string({ pattern = "^[%w][%w.-]*:?%d*$", max = 253,
        describe = "a host or host:port" }), max = 50 }),
    }, { nullable = true, optional = true, check = check_ports }),
    emailDomain = s.string({ pattern = "^[a-z0-9][a-z0-9.-]*%.[a-z]+$", max = 253, optional = true,
      nullable = true, describe = "a domain like council.example, in lower case" }),
  }
end

-- Tells of every entry whose key an entry before has.
local function check_unique(list, field, key, problem)
  local seen = {}
  for i, entry in ipairs(type(list) == "table" and list or {}) do
    local value = entry[key]
    if value ~= nil and seen[value] then
      problem(("%s[%d].%s"):format(field, i - 1, key), "unique", "is there twice")
    elseif value ~= nil then
      seen[value] = true
    end
  end
end

local function check_all(value, problem)
  check_unique(value.categories, "categories", "code", problem)
  check_unique(value.holidays, "holidays", "date", problem)
  local steps = type(value.escalation) == "table" and value.escalation or {}
  for _, name in ipairs({ "reports", "workorders" }) do
    check_unique(steps[name], "escalation." .. name, "percent", problem)
  end
  for i, category in ipairs(type(value.categories) == "table" and value.categories or {}) do
    check_unique(category.fields, ("categories[%d].fields"):format(i - 1), "name", problem)
  end
end

--- What PUT takes.
M.changes = s.object(fields(), { check = check_all })

--- What both calls answer: null is what was not set.
M.settings = s.object(fields(), { name = "TenantSettings" })

return M
