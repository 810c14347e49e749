--- The rule by which a zone goes on after the changes that its file lists: a POSIX TZ text with the
-- extensions of RFC 8536 (3.3.1), like "CET-1CEST,M3.5.0,M10.5.0/3".

local time = require("core.time")

local M = {}

local DAY_S, HOUR_S = 86400, 3600
local DEFAULT_S = 2 * HOUR_S -- when a change has no time of day
local OFFSET_HOURS_MAX, TIME_HOURS_MAX = 24, 167
local NAMES = { "^<[%w+-]+>()", "^%a%a%a+()" }

-- Each reader takes the text and a place in it, and returns what it read and the place after it,
-- or nil.

local function read_name(text, at)
  for _, pattern in ipairs(NAMES) do
    local after = text:sub(at):match(pattern)
    if after then
      return true, at + after - 1
    end
  end
end

local function read_seconds(text, at, hours_max)
  local sign, hours, after = text:match("^([+-]?)(%d%d?%d?)()", at)
  if not sign or tonumber(hours) > hours_max then
    return nil
  end
  local seconds, unit = tonumber(hours) * HOUR_S, 60
  while unit >= 1 do
    local part, next_at = text:match("^:(%d%d)()", after)
    if not part then
      break
    elseif tonumber(part) > 59 then
      return nil
    end
    seconds, unit, after = seconds + tonumber(part) * unit, unit / 60, next_at
  end
  return sign == "-" and -seconds or seconds, after
end

local function read_week_day(text, at)
  local month, week, day, after = text:match("^M(%d%d?)%.(%d)%.(%d)()", at)
  month, week, day = tonumber(month), tonumber(week), tonumber(day)
  if month and month >= 1 and month <= 12 and week >= 1 and week <= 5 and day <= 6 then
    return { month = month, week = week, day = day }, after
  end
end

-- "J60" counts no leap day and begins at 1, "59" counts it and begins at 0.
local function read_year_day(text, at)
  local julian, day, after = text:match("^(J?)(%d%d?%d?)()", at)
  day = tonumber(day)
  if day and julian == "J" and day >= 1 and day <= 365 then
    return { julian = day }, after
  elseif day and julian == "" and day <= 365 then
    return { year_day = day }, after
  end
end

-- ",M3.5.0/2"
local function read_change(text, at)
  if text:sub(at, at) ~= "," then
    return nil
  end
  local change, after = read_week_day(text, at + 1)
  if not change then
    change, after = read_year_day(text, at + 1)
  end
  if not change then
    return nil
  end
  change.seconds = DEFAULT_S
  if text:sub(after, after) == "/" then
    change.seconds, after = read_seconds(text, after + 1, TIME_HOURS_MAX)
  end
  return change.seconds and change, after
end

local function read_offset(text, at)
  local seconds, after = read_seconds(text, at, OFFSET_HOURS_MAX)
  return seconds and -seconds, after -- "CET-1" is an hour before UTC
end

-- What follows the standard time: the summer time and when it holds.
local function read_summer(text, at, rule)
  local _, after = read_name(text, at)
  if not after then
    return nil
  end
  rule.summer = rule.standard + HOUR_S
  if text:find("^[%d+-]", after) then
    rule.summer, after = read_offset(text, after)
  end
  if rule.summer then
    rule.from, after = read_change(text, after)
  end
  if rule.from then
    rule.to, after = read_change(text, after)
  end
  return rule.to and after == #text + 1 and rule or nil
end

--- Reads a rule.
-- @return {standard = seconds east of UTC, summer, from, to}, the last three only where there is a
--   summer time; or nil when it is no rule
function M.read(text)
  local _, after = read_name(text, 1)
  if not after then
    return nil
  end
  local rule = {}
  rule.standard, after = read_offset(text, after)
  if not rule.standard then
    return nil
  elseif after == #text + 1 then
    return rule
  end
  return read_summer(text, after, rule)
end

local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

-- The day of a change, counted from 1970.
local function day_of(change, year)
  local first = time.days(year, 1, 1)
  if change.julian then
    return first + change.julian - 1 + (is_leap(year) and change.julian >= 60 and 1 or 0)
  elseif change.year_day then
    return first + change.year_day
  end
  local of_month = time.days(year, change.month, 1)
  local next_month = change.month == 12 and time.days(year + 1, 1, 1)
    or time.days(year, change.month + 1, 1)
  local day = of_month + (change.day - (of_month + 4)) % 7 + (change.week - 1) * 7
  return day < next_month and day or day - 7
end

--- The changes of a year, in order: {{at = seconds since 1970 UTC, offset = from then on}, ...}.
function M.changes(rule, year)
  if not rule.summer then
    return {}
  end
  local from = { at = day_of(rule.from, year) * DAY_S + rule.from.seconds - rule.standard,
    offset = rule.summer }
  local to = { at = day_of(rule.to, year) * DAY_S + rule.to.seconds - rule.summer,
    offset = rule.standard }
  if from.at < to.at then
    return { from, to }
  end
  return { to, from }
end

return M
