--- Schedules of five fields: minute, hour, day of the month, month, day of the week.
--
-- A field is * or a list of numbers, ranges (1-5) and steps (*/15, 8-18/2); months and days of the
-- week also go by name (JAN, MON). Sunday is 0 or 7. Where both days are named either will do.
--
-- Times are those of a wall clock. What names its hours happens once a day whatever is done to the
-- clock: in an hour that is left out at the moment of the change, in one that comes twice the first
-- time. What happens every hour goes on through both.

local time = require("core.time")

local M = {}

local MINUTE_MS, DAY_MS = 60000, 86400000
local YEARS = 9 -- 29 February may be as far away, around a year such as 2100
local LENGTH_MAX = 200

local MONTHS = { JAN = 1, FEB = 2, MAR = 3, APR = 4, MAY = 5, JUN = 6, JUL = 7, AUG = 8, SEP = 9,
  OCT = 10, NOV = 11, DEC = 12 }
local DAYS = { SUN = 0, MON = 1, TUE = 2, WED = 3, THU = 4, FRI = 5, SAT = 6 }

local FIELDS = {
  { name = "minute", min = 0, max = 59 },
  { name = "hour", min = 0, max = 23 },
  { name = "day", min = 1, max = 31 },
  { name = "month", min = 1, max = 12, names = MONTHS },
  { name = "weekday", min = 0, max = 7, names = DAYS },
}

local Cron = {}
Cron.__index = Cron

local function number(field, text)
  local value = field.names and field.names[text:upper()]
    or text:find("^%d%d?$") and tonumber(text)
  return value and value >= field.min and value <= field.max and value or nil
end

local function read_entry(field, entry, set)
  local span, step = entry:match("^([^/]+)/?(%d*)$")
  if not span or entry:find("/$") then
    return false
  end
  local from, to
  if span == "*" then
    from, to = field.min, field.max
  else
    local first, last = span:match("^(%w+)%-?(%w*)$")
    from = first and number(field, first)
    to = from
    if from and span:find("-", 1, true) then
      to = number(field, last)
      to = to == 0 and from > 0 and field.names == DAYS and 7 or to -- FRI-SUN
    elseif from and step ~= "" then
      to = field.max
    end
  end
  step = step == "" and 1 or tonumber(step)
  if not from or not to or to < from or step < 1 then
    return false
  end
  for value = from, to, step do
    set[value] = true
  end
  return true
end

-- @return a set of numbers, or nil
local function read_field(field, text)
  local set = {}
  for entry in (text .. ","):gmatch("([^,]*),") do
    if not read_entry(field, entry, set) then
      return nil
    end
  end
  return set
end

local function is_day(cron, year, month, day)
  if not cron.month[month] then
    return false
  end
  local by_day = cron.day[day]
  local by_weekday = cron.weekday[(time.days(year, month, day) + 4) % 7]
  if cron.any_day or cron.any_weekday then
    return by_day and by_weekday
  end
  return by_day or by_weekday
end

-- The first minute of a day, from `minute` on, or nil.
local function minute_of(cron, minute)
  for hour = math.floor(minute / 60), 23 do
    if cron.hour[hour] then
      for m = math.max(minute - hour * 60, 0), 59 do
        if cron.minute[m] then
          return hour * 60 + m
        end
      end
    end
  end
end

-- The first matching minute that a wall clock shows after `wall_ms`, or nil.
local function after_wall(cron, wall_ms)
  local minute = math.floor(wall_ms / MINUTE_MS) + 1
  local first = math.floor(minute / 1440)
  for day = first, first + YEARS * 366 do
    if is_day(cron, time.date(day)) then
      local found = minute_of(cron, day == first and minute - first * 1440 or 0)
      if found then
        return day * DAY_MS + found * MINUTE_MS
      end
    end
  end
end

--- Reads a schedule.
-- @return the schedule, or nil and what is wrong with it
function M.parse(text)
  local parts = {}
  for part in text:gmatch("%S+") do
    parts[#parts + 1] = part
  end
  if #parts ~= #FIELDS or #text > LENGTH_MAX then
    return nil, "must have five fields: minute, hour, day, month, day of the week"
  end
  local cron = setmetatable({ any_hour = parts[2]:sub(1, 1) == "*",
    any_day = parts[3]:sub(1, 1) == "*", any_weekday = parts[5]:sub(1, 1) == "*" }, Cron)
  for i, field in ipairs(FIELDS) do
    cron[field.name] = read_field(field, parts[i])
    if not cron[field.name] then
      return nil, ("'%s' is no %s"):format(parts[i],
        field.name == "weekday" and "day of the week" or field.name)
    end
  end
  cron.weekday[0] = cron.weekday[0] or cron.weekday[7]
  if not after_wall(cron, 0) then
    return nil, "names days that never come"
  end
  return cron
end

-- By the clock of each offset in turn, so that an hour which comes twice counts twice.
local function next_through_changes(cron, zone, after_ms)
  local offset, ends = zone:segment(after_ms)
  local wall = after_ms + offset
  while true do
    local found = after_wall(cron, wall)
    if not found or found - offset < ends then
      return found and found - offset
    end
    local begins = ends
    offset, ends = zone:segment(begins)
    wall = begins + offset - MINUTE_MS
  end
end

--- The next time, in milliseconds, after a time; nil when there is none.
-- @param zone of core.zone
function Cron:next(zone, after_ms)
  if self.any_hour then
    return next_through_changes(self, zone, after_ms)
  end
  local wall = zone:to_local(after_ms)
  repeat
    wall = after_wall(self, wall)
    local at = wall and zone:to_utc(wall)
    if not at or at > after_ms then
      return at
    end
  until false
end

return M
