-- The one clock. Times outside are ISO 8601 UTC with milliseconds, inside milliseconds since 1970.

local sys = require("host.sys")

local M = {}

local DAY_MS = 86400000
-- The first and the last millisecond that a DATETIME holds: the years 1 to 9999.
local FIRST_MS, LAST_MS = -62135596800000, 253402300799999
local DAYS_IN_MONTH = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

-- Days since 1970-01-01 of a date of the Gregorian calendar, and back. The year is counted from
-- March, so that the leap day is its last.
local function days_from_date(year, month, day)
  if month <= 2 then
    year, month = year - 1, month + 12
  end
  local era = math.floor(year / 400)
  local year_of_era = year - era * 400
  local day_of_year = math.floor((153 * (month - 3) + 2) / 5) + day - 1
  local day_of_era = year_of_era * 365 + math.floor(year_of_era / 4)
    - math.floor(year_of_era / 100) + day_of_year
  return era * 146097 + day_of_era - 719468
end

local function date_from_days(days)
  days = days + 719468
  local era = math.floor(days / 146097)
  local day_of_era = days - era * 146097
  local year_of_era = math.floor((day_of_era - math.floor(day_of_era / 1460)
    + math.floor(day_of_era / 36524) - math.floor(day_of_era / 146096)) / 365)
  local day_of_year = day_of_era - (365 * year_of_era + math.floor(year_of_era / 4)
    - math.floor(year_of_era / 100))
  local month_index = math.floor((5 * day_of_year + 2) / 153)
  local day = day_of_year - math.floor((153 * month_index + 2) / 5) + 1
  local month = month_index < 10 and month_index + 3 or month_index - 9
  local year = year_of_era + era * 400
  return month <= 2 and year + 1 or year, month, day
end

--- Days since 1970-01-01 of a date of the Gregorian calendar.
M.days = days_from_date

--- The date of a day counted from 1970-01-01: year, month, day.
M.date = date_from_days

local function parts(ms)
  local days = math.floor(ms / DAY_MS)
  local rest = ms - days * DAY_MS
  local year, month, day = date_from_days(days)
  return year, month, day, math.floor(rest / 3600000), math.floor(rest / 60000) % 60,
    math.floor(rest / 1000) % 60, math.floor(rest) % 1000
end

--- Milliseconds since 1970, UTC.
M.now_ms = sys.time_ms

--- Milliseconds that never step back: for durations.
M.monotonic_ms = sys.monotonic_ms

--- The time as "2026-11-20T09:12:44.120Z".
function M.iso(ms)
  if ms >= 0 and ms <= LAST_MS then
    return sys.iso(ms)
  end
  return ("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"):format(parts(ms))
end

--- Now, as M.iso.
local function now()
  return sys.iso(sys.time_ms())
end
M.now = now

--- What this process takes for now from here on, until it is told otherwise: for seeds that make a
-- past. Nil: what the clock says.
function M.pretend(ms)
  M.now_ms = ms and function() return ms end or sys.time_ms
  M.now = ms and function() return sys.iso(ms) end or now
end

local function days_in(year, month)
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return month == 2 and leap and 29 or DAYS_IN_MONTH[month]
end

local function in_range(ms)
  return ms >= FIRST_MS and ms <= LAST_MS and ms or nil
end

local function offset_minutes(zone)
  if zone == "Z" or zone == "z" then
    return 0
  end
  local sign, hours, minutes = zone:match("^([+-])(%d%d):?(%d%d)$")
  if not sign or tonumber(hours) > 23 or tonumber(minutes) > 59 then
    return nil
  end
  return (sign == "-" and -1 or 1) * (hours * 60 + minutes)
end

--- Reads an ISO 8601 date and time with a zone, or a date alone (its midnight in UTC).
-- @return milliseconds, or nil when it is not one
function M.parse(text)
  if type(text) ~= "string" then
    return nil
  end
  local year, month, day, rest = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$")
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  if not year or month < 1 or month > 12 or day < 1 or day > days_in(year, month) then
    return nil
  end
  local ms = days_from_date(year, month, day) * DAY_MS
  if rest == "" then
    return in_range(ms)
  end
  local hour, minute, tail = rest:match("^[Tt ](%d%d):(%d%d)(.*)$")
  if not hour then
    return nil
  end
  local second, fraction, zone = tail:match("^:(%d%d)(%.?%d*)(.*)$")
  if not second then
    second, fraction, zone = "0", "", tail
  end
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  local offset = offset_minutes(zone)
  if hour > 23 or minute > 59 or second > 59 or not offset or fraction == "." then
    return nil
  end
  local fraction_ms = fraction ~= "" and math.floor(tonumber("0" .. fraction) * 1000 + 1e-6) or 0
  return in_range(ms + hour * 3600000 + minute * 60000 + second * 1000 + fraction_ms
    - offset * 60000)
end

--- The text of a DATETIME(3) parameter, from milliseconds or ISO text. Nil stays nil.
function M.db(value)
  if value == nil then
    return nil
  end
  -- Of text only what M.iso writes: whoever else wrote one like it was checked when it came in.
  local kind = type(value)
  local known = (kind == "number" or kind == "string") and sys.datetime(value)
  if known then
    return known
  end
  local ms = type(value) == "number" and value or M.parse(value)
  if not ms then
    error("time.db: not a time: " .. tostring(value), 2)
  end
  return ("%04d-%02d-%02d %02d:%02d:%02d.%03d"):format(parts(ms))
end

return M
