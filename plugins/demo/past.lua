-- The two months before today: what was reported, and what became of it. The same in every demo
-- world, counted back from the day on which it is made.

local hazards = require("plugins.demo.hazards")
local lives = require("plugins.demo.lives")
local town = require("plugins.demo.town")

local M = {}

--- How many reports there are.
M.COUNT = 188

local DAYS = 59
local DAY_MS, MINUTE_MS = 86400000, 60000
local FIRST_MINUTE, LAST_MINUTE = 390, 1300 -- of a day on which people report something
local LATE = 5 -- times as long as usual

-- A night of wind: so many more of these.
local STORM_DAY = 23
local STORM = { "fallen_tree", "fallen_tree", "fallen_tree", "electrical", "fallen_tree",
  "street_light", "fallen_tree", "traffic_signal", "street_light", "fallen_tree", "electrical" }

-- What becomes of one after the other, over and over.
local KINDS = {
  "done", "done", "duplicate", "done", "rejected", "done", "late", "done", "stuck", "done",
  "done", "refused", "done", "late", "done", "done", "duplicate", "reopened", "done", "late",
  "done", "passed", "done", "rejected", "done",
}

-- A source of numbers that is the same each time.
local function dice()
  local state = 20261120
  return function(sides)
    state = state * 16807 % 2147483647
    return state % sides + 1
  end
end

-- Fewer people report something on a weekend.
local function day_of(roll, today)
  while true do
    local days = roll(DAYS)
    if (today - days + 3) % 7 <= 4 or roll(5) <= 3 then
      return days
    end
  end
end

-- When each is reported, in order: {at_ms, category or nil: any}.
local function births(roll, now_ms)
  local today = math.floor(now_ms / DAY_MS)
  local list = {}
  for i = 1, M.COUNT do
    local days = STORM[i] and STORM_DAY or day_of(roll, today)
    local span = LAST_MINUTE - FIRST_MINUTE
    local minute = FIRST_MINUTE + (roll(span) + roll(span)) / 2
    list[i] = { category = STORM[i],
      at_ms = (today - days) * DAY_MS + math.floor(minute * MINUTE_MS) + roll(MINUTE_MS) }
  end
  table.sort(list, function(a, b)
    return a.at_ms < b.at_ms
  end)
  return list
end

local function crew_of(roll, category)
  local whole = 0
  for _, crew in ipairs(hazards) do
    if crew.category == category then
      return crew
    end
    whole = whole + crew.share
  end
  local left = roll(whole)
  for _, crew in ipairs(hazards) do
    left = left - crew.share
    if left <= 0 then
      return crew
    end
  end
end

-- What nobody has said of that place yet.
local function words_and_place(roll, crew, said)
  while true do
    local words = crew.words[roll(#crew.words)]
    local place = town.place(roll, crew.where)
    local key = words[1] .. place.description
    if not said[key] then
      said[key] = true
      return words, place
    end
  end
end

local function reporter_of(index)
  return index % 4 == 1 and town.reporter(index) or nil
end

local function hazard_of(roll, crew, index, said)
  local words, place = words_and_place(roll, crew, said)
  return {
    category = crew.category, severity = words[3] or crew.severity,
    title = words[1], description = words[2], place = place,
    source = index % 3 == 0 and "web" or "mobile",
    citizen = index % 4 == 0, reporter = reporter_of(index),
    picture = crew.drawn and roll(2) == 1 and 100 or nil,
  }
end

-- Somebody else has seen the same.
local function twin_of(original, index)
  local hazard = original.hazard
  return {
    category = hazard.category, severity = hazard.severity, place = hazard.place,
    title = "Still there: " .. hazard.title:sub(1, 1):lower() .. hazard.title:sub(2),
    description = "Has nobody told you yet?", source = "mobile", reporter = reporter_of(index),
  }
end

--- Puts the past on the agenda.
-- @return the lives of all reports, in order
function M.plan(agenda, now_ms)
  local roll, said, all = dice(), {}, {}
  for i, birth in ipairs(births(roll, now_ms)) do
    local kind = KINDS[(i - 1) % #KINDS + 1]
    local of = kind == "duplicate" and all[i - 1] or nil
    local crew = of and of.crew or crew_of(roll, birth.category)
    local hazard = of and twin_of(of, i) or hazard_of(roll, crew, i, said)
    local life = lives.new({ agenda = agenda, roll = roll, at_ms = birth.at_ms, hazard = hazard,
      severity = hazard.severity, crew = crew, slowness = kind == "late" and LATE or 1, of = of })
    lives.plan(life, kind == "late" and "done" or kind)
    all[i] = life
  end
  return all
end

return M
