-- How it goes on with what somebody reported: each kind of life puts its steps on the agenda.

local M = {}

local MINUTE_MS, DAY_MS = 60000, 86400000
local OPENS_MS, CLOSES_MS = 8 * 3600000, 17 * 3600000

-- Minutes from one step to the next, from and to.
local PACE = {
  critical = { 4, 25 }, high = { 20, 240 }, medium = { 120, 2000 }, low = { 500, 5000 },
}
local AT_ANY_HOUR = { critical = true, high = true }

local REJECTED = {
  "Private land: the owner has been told.", "Nothing found on the spot.",
  "Not ours: the county looks after this road.", "Reported to the railway, whose wall it is.",
}
local REFUSED = { "Needs the lift platform, which is out until Thursday.",
  "On leave from tomorrow: please give it to somebody else." }
local HELD = { "Waiting for the part, ordered today.",
  "The road can be closed next week at the earliest." }
local REOPENED = { "It has come loose again.", "Mended, but the same thing has happened again." }
local MESSAGES = { "On your way, please.", "The caller is at home until four.", "Take the cones.",
  "The school has asked twice." }
local NOTES = { "Done as planned.", "All clear.", "Done; keep an eye on it after the frost." }
local CHECKLIST = { { text = "Make the place safe", done = false },
  { text = "Clear up", done = false } }

local Life = {}
Life.__index = Life

--- @param given agenda, roll, at_ms, hazard (as World:report takes it), severity, crew = of
--   plugins.demo.hazards; slowness = how much longer than usual all of it takes; of = the life of
--   which this is a duplicate, or nil
function M.new(given)
  return setmetatable(given, Life)
end

local function pick(life, list)
  return list[life.roll(#list)]
end

-- The same moment, or when the office opens next.
local function in_office(ms)
  local day = math.floor(ms / DAY_MS)
  local weekday = (day + 3) % 7 -- 0 is Monday: day 0 was a Thursday
  local of_day = ms - day * DAY_MS
  if weekday <= 4 and of_day < CLOSES_MS then
    return math.max(ms, day * DAY_MS + OPENS_MS)
  end
  local days = weekday < 4 and 1 or 7 - weekday
  return (day + days) * DAY_MS + OPENS_MS + of_day % 3600000
end

-- Some time after, as long as such things take.
local function later(life, ms)
  local pace = PACE[life.severity]
  local minutes = pace[1] + life.roll(pace[2] - pace[1])
  local at_ms = ms + minutes * (life.slowness or 1) * MINUTE_MS
  return AT_ANY_HOUR[life.severity] and at_ms or in_office(at_ms)
end

local function after(ms, minutes)
  return ms + minutes * MINUTE_MS
end

-- The dispatcher makes a work order and gives it to somebody. @return when
local function give_out(life, ms, technician)
  local crew, message = life.crew, life.roll(4) == 1 and pick(life, MESSAGES) or nil
  local doer = technician or crew.technician
  local to = not technician and crew.team and life.roll(3) == 1 and crew.team or doer
  life.technician = doer
  life.done = pick(life, crew.work)
  local fields = { estimatedMinutes = life.done[2],
    checklist = life.roll(3) == 1 and CHECKLIST or nil }
  life.agenda:add(ms, function(world)
    life.order_id = world:order(life.id, fields)
  end)
  life.agenda:add(after(ms, 2), function(world)
    world:assign(life.order_id, to, message)
  end)
  return after(ms, 2)
end

local function step(life, ms, action, input)
  local technician = life.technician
  life.agenda:add(ms, function(world)
    world:act(life.order_id, action, input, technician)
  end)
  return ms
end

-- The technician does it, from accepting to completing. @return when it is completed
local function carry_out(life, ms, is_accepted)
  local done, technician = life.done, life.technician
  local at_ms = ms
  if not is_accepted then
    at_ms = step(life, later(life, ms), "accept")
  end
  at_ms = step(life, later(life, at_ms), "start")
  local minutes = done[2] + life.roll(20)
  at_ms = after(at_ms, minutes)
  local notes = pick(life, NOTES)
  life.agenda:add(at_ms, function(world)
    world:remediate(life.order_id, technician, { description = done[1], minutes = minutes,
      materials = done[3] })
    world:act(life.order_id, "complete", { notes = notes, minutesSpent = minutes }, technician)
  end)
  return at_ms
end

-- The dispatcher has a look, and closes the report some days after. @return when
local function close(life, ms)
  local verified_ms = in_office(after(ms, 60 + life.roll(1400)))
  life.agenda:add(verified_ms, function(world)
    world:act(life.order_id, "verify")
  end)
  local closed_ms = in_office(after(verified_ms, 1440 + life.roll(2880)))
  life.agenda:add(closed_ms, function(world)
    world:move(life.id, "closed")
  end)
  return closed_ms
end

--- What can become of a report: function(life) each.
M.KINDS = {
  done = function(life)
    close(life, carry_out(life, give_out(life, later(life, life.at_ms))))
  end,
  rejected = function(life)
    local reason = pick(life, REJECTED)
    life.agenda:add(later(life, life.at_ms), function(world)
      world:move(life.id, "rejected", reason)
    end)
  end,
  duplicate = function(life)
    life.agenda:add(in_office(after(life.at_ms, 20 + life.roll(200))), function(world)
      world:merge(life.id, life.of.id)
    end)
  end,
  refused = function(life) -- the one it is given to does not take it
    local crew, other = life.crew, 3 - life.crew.technician
    local ms = give_out(life, later(life, life.at_ms), other)
    ms = step(life, later(life, ms), "reject", { reason = pick(life, REFUSED) })
    ms = later(life, ms)
    life.technician = crew.technician
    life.agenda:add(ms, function(world)
      world:assign(life.order_id, crew.technician)
    end)
    close(life, carry_out(life, ms))
  end,
  stuck = function(life) -- on hold for twelve days
    local ms = step(life, later(life, give_out(life, later(life, life.at_ms))), "accept")
    ms = step(life, after(ms, 30), "hold", { reason = pick(life, HELD) })
    ms = step(life, in_office(after(ms, 12 * 1440)), "resume")
    close(life, carry_out(life, ms, true))
  end,
  passed = function(life) -- others do it
    local ms = give_out(life, later(life, life.at_ms))
    life.agenda:add(later(life, ms), function(world)
      world:act(life.order_id, "cancel", { reason = "The owner does it themselves." })
      world:move(life.id, "rejected", "Passed on to the owner, who has promised to see to it.")
    end)
  end,
  reopened = function(life)
    local ms = close(life, carry_out(life, give_out(life, later(life, life.at_ms))))
    local reason = pick(life, REOPENED)
    ms = in_office(after(ms, 1440 + life.roll(4000)))
    life.agenda:add(ms, function(world)
      world:move(life.id, "reopened", reason)
    end)
    close(life, carry_out(life, give_out(life, later(life, ms))))
  end,
}

--- Puts a report and what becomes of it on the agenda.
-- @param kind of M.KINDS
function M.plan(life, kind)
  life.agenda:add(life.at_ms, function(world)
    life.id = world:report(life.hazard)
  end)
  M.KINDS[kind](life)
end

return M
