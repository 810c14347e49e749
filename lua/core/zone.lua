--- Time zones of the IANA database, as the system has them: what a clock on the wall shows, and
-- when it is set forward or back. Times are milliseconds since 1970; a local time is the same
-- number for a wall clock that would never be set ("2026-03-29T02:30" as if it were UTC).

local file = require("core.zone.file")
local fs = require("core.fs")
local rules = require("core.zone.rule")
local time = require("core.time")

local M = {}

local FOLDER, FILE_MAX = "/usr/share/zoneinfo/", 65536
local NAME, NAME_MAX = "^%a[%w_+/-]*$", 64
local KEPT_MAX = 200
local DAY_MS = 86400000
-- The Gregorian calendar, its weekdays too, is the same again after 400 years.
local CYCLE_YEARS, CYCLE_MS = 400, 146097 * DAY_MS
-- No offset is so large: at a wall's time minus this, the wall is behind it anywhere.
local OFFSET_MAX_MS = 26 * 3600000

local Zone = {}
Zone.__index = Zone

-- Changes that leave the offset (of the abbreviation, of what law calls it) are left out.
local function add_change(zone, at_s, offset_s)
  local count = #zone.times
  local before = zone.offsets[count] or zone.first
  if offset_s * 1000 ~= before then
    zone.times[count + 1], zone.offsets[count + 1] = at_s * 1000, offset_s * 1000
  end
end

-- The rule's changes after those of the list, for as long as they take to repeat themselves.
local function add_rule(zone, found, last_s)
  local year = time.date(math.floor(last_s / 86400))
  local summer = found.rule.summer
  if not summer then
    add_change(zone, last_s, found.rule.standard)
    return
  end
  for y = year - 1, year + CYCLE_YEARS + 1 do
    for _, change in ipairs(rules.changes(found.rule, y)) do
      if change.at > last_s then
        add_change(zone, change.at, change.offset)
      end
    end
  end
  zone.repeats_from = #zone.times > 0 and zone.times[#zone.times] or nil
end

--- A zone of what core.zone.file reads.
function M.new(found)
  local zone = setmetatable({
    first = found.first * 1000,
    times = {}, -- when the offset changes, in order
    offsets = {}, -- [i] = the offset from times[i] on
    repeats_from = nil, -- from then on it is as it was a cycle before
  }, Zone)
  local last_s = 0
  for _, change in ipairs(found.changes) do
    add_change(zone, change.at, change.offset)
    last_s = change.at
  end
  if found.rule then
    add_rule(zone, found, last_s)
  end
  return zone
end

--- The zone that is always UTC.
M.UTC = M.new({ first = 0, changes = {} })

--- The offset that holds at a time, and until when: milliseconds east of UTC, the time of the next
-- change (math.huge when there is none).
function Zone:segment(ms)
  local times, moved = self.times, 0
  if self.repeats_from and ms >= self.repeats_from then
    moved = math.ceil((ms - self.repeats_from + 1) / CYCLE_MS) * CYCLE_MS
    ms = ms - moved
  end
  local low, high = 0, #times
  while low < high do
    local middle = math.floor((low + high + 1) / 2)
    if times[middle] <= ms then
      low = middle
    else
      high = middle - 1
    end
  end
  return self.offsets[low] or self.first, (times[low + 1] or math.huge) + moved
end

--- What the wall shows at a time.
function Zone:to_local(ms)
  return ms + (self:segment(ms))
end

--- The first time at which the wall shows a local time or a later one: where clocks are set
-- forward over it, the moment of that; where it comes twice, the first of the two.
function Zone:to_utc(local_ms)
  local at = local_ms - OFFSET_MAX_MS
  while true do
    local offset, ends = self:segment(at)
    if local_ms - offset < ends then
      return math.max(local_ms - offset, at)
    end
    at = ends
  end
end

local kept, kept_count = {}, 0 -- name -> zone; names of no zone are not kept

--- The zone of a name like "Europe/Rome", or nil when the system knows none. May wait for the disk
-- the first time.
function M.find(name)
  local zone = kept[name]
  if zone then
    return zone
  end
  if type(name) ~= "string" or #name > NAME_MAX or not name:find(NAME) then
    return nil
  end
  local content = fs.read(FOLDER .. name, FILE_MAX)
  local found = content and file.read(content)
  if not found then
    return nil
  end
  zone = M.new(found)
  if kept_count >= KEPT_MAX then
    kept, kept_count = {}, 0
  end
  kept[name], kept_count = zone, kept_count + 1
  return zone
end

--- Checks a name that was given, for a schema: calls problem(field, code, message) unless there is
-- such a zone. What is no text is not looked at.
function M.check(name, field, problem)
  if type(name) == "string" and not M.find(name) then
    problem(field, "enum", "must be a name of the time zone database like Europe/Rome")
  end
end

return M
