--- Business hours: how much open time lies between two moments, and when so much of it is over.
--
-- It is open while the clock on the wall shows a time within the hours of its weekday and the date
-- is no holiday. So an hour that comes twice when clocks are set back counts twice, and one that
-- is left out does not count. Times are milliseconds since 1970, durations milliseconds.
--
-- Between two changes of the zone's offset, local time is plain arithmetic: `open_until` sums up
-- all open time before a local time, weeks at once, and is inverted by bisection.

local time = require("core.time")

local M = {}

local DAY_MS, WEEK_DAYS = 86400000, 7
local EPOCH_WEEKDAY = 3 -- 1970-01-01 was a Thursday, days counted from Monday
-- What is not over after so long never will be: nobody waits for it.
local HORIZON_MS = 100 * 366 * DAY_MS
local DAYS = { "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday" }
local ALL_DAY = { { from = "00:00", to = "24:00" } }

local Calendar = {}
Calendar.__index = Calendar

local function clock_ms(text)
  local hour, minute = text:match("^(%d%d):(%d%d)$")
  return (tonumber(hour) * 60 + tonumber(minute)) * 60000
end

-- The hours of a weekday in order, overlaps made one: {spans = {{from, to}, ...} in milliseconds of
-- the day, open = their sum}.
local function new_day(hours)
  local spans, open = {}, 0
  for i, span in ipairs(hours or {}) do
    spans[i] = { from = clock_ms(span.from), to = clock_ms(span.to) }
  end
  table.sort(spans, function(a, b)
    return a.from < b.from
  end)
  local merged = {}
  for _, span in ipairs(spans) do
    local last = merged[#merged]
    if last and span.from <= last.to then
      last.to = math.max(last.to, span.to)
    else
      merged[#merged + 1] = span
    end
  end
  for _, span in ipairs(merged) do
    open = open + span.to - span.from
  end
  return { spans = merged, open = open }
end

local function has_hours(hours)
  for _, day in ipairs(DAYS) do
    if hours and hours[day] and #hours[day] > 0 then
      return true
    end
  end
  return false
end

local function weekday_of(day)
  return (day + EPOCH_WEEKDAY) % WEEK_DAYS + 1
end

-- Holidays in order, each with the open time that they and those before take away.
local function new_holidays(calendar, holidays)
  local days, seen = {}, {}
  for _, holiday in ipairs(holidays or {}) do
    local year, month, date = holiday.date:match("^(%d%d%d%d)-(%d%d)-(%d%d)$")
    local day = time.days(tonumber(year), tonumber(month), tonumber(date))
    if not seen[day] then
      days[#days + 1], seen[day] = day, true
    end
  end
  table.sort(days)
  local lost, sum = {}, 0
  for i, day in ipairs(days) do
    sum = sum + calendar.week[weekday_of(day)].open
    lost[i] = sum
  end
  calendar.holidays, calendar.lost, calendar.is_holiday = days, lost, seen
end

--- Makes a calendar.
-- @param description zone (core.zone), hours = {monday = {{from = "08:30", to = "17:00"}, ...},
--   ...} (a day without is closed; nil or no hours at all: always open), holidays = {{date =
--   "2026-12-25"}, ...} or nil
function M.new(description)
  local hours = has_hours(description.hours) and description.hours
  local calendar = setmetatable({
    zone = description.zone,
    week = {}, -- [1] is Monday
    before = {}, -- [weekday] = open time of the week before it
    week_open = 0,
  }, Calendar)
  for i, name in ipairs(DAYS) do
    local day
    if hours then
      day = new_day(hours[name])
    else
      day = new_day(ALL_DAY)
    end
    calendar.week[i], calendar.before[i] = day, calendar.week_open
    calendar.week_open = calendar.week_open + day.open
  end
  new_holidays(calendar, description.holidays)
  calendar.is_always_open = not hours and #calendar.holidays == 0
  return calendar
end

-- The open time that holidays before a day took away.
local function lost_before(calendar, day)
  local days, low, high = calendar.holidays, 0, #calendar.holidays
  while low < high do
    local middle = math.floor((low + high + 1) / 2)
    if days[middle] < day then
      low = middle
    else
      high = middle - 1
    end
  end
  return calendar.lost[low] or 0
end

-- All open time before midnight of a day, counted from a Monday long ago.
local function open_before_day(calendar, day)
  local weeks = math.floor((day + EPOCH_WEEKDAY) / WEEK_DAYS)
  return weeks * calendar.week_open + calendar.before[weekday_of(day)] - lost_before(calendar, day)
end

-- All open time before a local time.
local function open_until(calendar, local_ms)
  local day = math.floor(local_ms / DAY_MS)
  local open = open_before_day(calendar, day)
  if calendar.is_holiday[day] then
    return open
  end
  local of_day = local_ms - day * DAY_MS
  for _, span in ipairs(calendar.week[weekday_of(day)].spans) do
    if span.from >= of_day then
      break
    end
    open = open + math.min(span.to, of_day) - span.from
  end
  return open
end

-- The first local time after `from` up to which it was open for so long; on the day of `to` at the
-- latest.
local function find_local(calendar, from, to, open)
  local low, high = math.floor(from / DAY_MS), math.floor(to / DAY_MS)
  while low < high do -- the last day before whose midnight there was less
    local middle = math.floor((low + high + 1) / 2)
    if open_before_day(calendar, middle) < open then
      low = middle
    else
      high = middle - 1
    end
  end
  local rest = open - open_before_day(calendar, low)
  for _, span in ipairs(calendar.week[weekday_of(low)].spans) do
    local length = span.to - span.from
    if rest <= length then
      return low * DAY_MS + span.from + rest
    end
    rest = rest - length
  end
end

--- The open time from one moment to another; 0 when the other is not later.
function Calendar:elapsed(from_ms, to_ms)
  if self.is_always_open then
    return math.max(to_ms - from_ms, 0)
  end
  local open, at = 0, from_ms
  while at < to_ms do
    local offset, ends = self.zone:segment(at)
    local stop = math.min(ends, to_ms)
    open = open + open_until(self, stop + offset) - open_until(self, at + offset)
    at = stop
  end
  return open
end

--- When so much open time is over: the first moment up to which it has elapsed, so an end of hours
-- rather than the next beginning. Nil when that is not within a hundred years.
function Calendar:after(from_ms, open_ms)
  if self.is_always_open then
    return open_ms <= HORIZON_MS and from_ms + open_ms or nil
  elseif open_ms <= 0 then
    return from_ms
  end
  local at, rest, horizon = from_ms, open_ms, from_ms + HORIZON_MS
  while at < horizon do
    local offset, ends = self.zone:segment(at)
    local stop = math.min(ends, horizon)
    local before = open_until(self, at + offset)
    local open = open_until(self, stop + offset) - before
    if open >= rest then
      return find_local(self, at + offset, stop + offset, before + rest) - offset
    end
    at, rest = stop, rest - open
  end
end

--- Whether it is open at a moment.
function Calendar:is_open(ms)
  local local_ms = self.zone:to_local(ms)
  return open_until(self, local_ms + 1) > open_until(self, local_ms)
end

return M
