-- now and time. Times are ISO text in UTC with milliseconds, as everywhere in the product.
local sandbox = ...

local DAY_MS = 86400000
local UNITS = { s = 1000, m = 60000, h = 3600000, d = DAY_MS, w = 7 * DAY_MS }
local FIRST_MS, LAST_MS = -62135596800000, 253402300799999 -- the years 1 to 9999
local DAYS_IN_MONTH = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

-- Days since 1970 of a date, and back. The year is counted from March.
local function days_of(year, month, day)
  if month <= 2 then
    year, month = year - 1, month + 12
  end
  return 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
    + math.floor((153 * (month - 3) + 2) / 5) + day - 1 - 719468
end

local function date_of(days)
  days = days + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524)
    - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  return year + era * 400 + (month <= 2 and 1 or 0), month, day
end

local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

-- Milliseconds since 1970 of an ISO text, or nil.
local function read(text)
  local year, month, day, rest = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$")
  if not year then
    return nil
  end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  local last = month == 2 and is_leap(year) and 29 or DAYS_IN_MONTH[month]
  if not last or day < 1 or day > last then
    return nil
  end
  local ms = days_of(year, month, day) * DAY_MS
  if rest == "" then
    return ms
  end
  local hour, minute, second, fraction, zone =
    rest:match("^T(%d%d):(%d%d):(%d%d)(%.?%d*)(.+)$")
  local sign, zone_hour, zone_minute = (zone or ""):match("^([+-])(%d%d):?(%d%d)$")
  if not hour or zone ~= "Z" and not sign or fraction == "." then
    return nil
  end
  ms = ms + tonumber(hour) * UNITS.h + tonumber(minute) * UNITS.m + tonumber(second) * 1000
    + (fraction ~= "" and math.floor(tonumber("0" .. fraction) * 1000 + 1e-6) or 0)
  if sign then
    local offset = tonumber(zone_hour) * UNITS.h + tonumber(zone_minute) * UNITS.m
    ms = ms + (sign == "-" and offset or -offset)
  end
  return ms
end

local function write(ms)
  local days = math.floor(ms / DAY_MS)
  local rest = ms - days * DAY_MS
  local year, month, day = date_of(days)
  return ("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"):format(year, month, day,
    math.floor(rest / UNITS.h), math.floor(rest / UNITS.m) % 60, math.floor(rest / 1000) % 60,
    rest % 1000)
end

local function moment(name, value)
  local ms = type(value) == "string" and read(value)
  if not ms then
    sandbox.fail("SCRIPT_ERROR", ("%s takes a time such as 2026-11-20T09:12:44Z, not %s"):format(
      name, type(value) == "string" and ("'%s'"):format(value:sub(1, 40)) or "a " .. type(value)))
  end
  return ms
end

sandbox.moment = moment

-- "90m", "-1d", "1h30m", or seconds.
local function duration(value)
  if type(value) == "number" and value == value then
    return value * 1000
  elseif type(value) ~= "string" then
    return nil
  end
  local sign, rest = value:match("^(%-?)(.+)$")
  local total, read_up_to = 0, 0
  for amount, unit, after in (rest or ""):gmatch("(%d+)([smhdw])()") do
    total, read_up_to = total + tonumber(amount) * UNITS[unit], after - 1
  end
  local whole = rest and read_up_to == #rest and rest:find("^%d") and not rest:find("[^%dsmhdw]")
  return whole and (sign == "-" and -total or total) or nil
end

--- now(): when the run began.
sandbox.define("now", function()
  local state = sandbox.state()
  if not state then
    sandbox.fail("SCRIPT_ERROR", "now can be called while a hook runs, not at the top of a file")
  end
  return state.input.now
end)

-- What the worker has to be asked for joins it in the next chunk.
sandbox.groups = {
  time = {
    --- time.add(now(), "2h"): units s, m, h, d, w; or a number of seconds.
    add = function(when, amount)
      local ms, more = moment("time.add", when), duration(amount)
      if not more then
        sandbox.fail("SCRIPT_ERROR",
          "time.add takes a duration such as 30m, 1h30m or -1d, or seconds")
      end
      local sum = math.floor(ms + more)
      if sum < FIRST_MS or sum > LAST_MS then
        sandbox.fail("SCRIPT_ERROR", "time.add: the sum is not within the years 1 to 9999")
      end
      return write(sum)
    end,

    --- time.diff(from, to): seconds from one time to the other.
    diff = function(from, to)
      return (moment("time.diff", to) - moment("time.diff", from)) / 1000
    end,
  },
}
