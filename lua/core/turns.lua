--- Turns: of what has a name so many at once in this worker. The others wait, first come first.

local errors = require("core.errors")
local task = require("core.task")

local M = {}

local places = {} -- name -> {under_way, waiting = array of signals}

local function leave_queue(place, signal)
  for i, other in ipairs(place.waiting) do
    if other == signal then
      table.remove(place.waiting, i)
      return true
    end
  end
  return false -- the turn was handed over meanwhile
end

-- @return whether it came
local function take(place, max, wait_ms)
  if place.under_way < max then
    place.under_way = place.under_way + 1
    return true
  end
  local signal = task.signal()
  place.waiting[#place.waiting + 1] = signal
  return signal:wait(wait_ms) or not leave_queue(place, signal)
end

local function give(name, place)
  local signal = table.remove(place.waiting, 1)
  if signal then
    signal:notify() -- the turn is its
    return
  end
  place.under_way = place.under_way - 1
  if place.under_way == 0 then
    places[name] = nil
  end
end

--- Runs fn(...) in its turn.
-- @param max how many may be under way at once
-- @param wait_ms for the turn
-- @return true and what fn returns (up to two values), or false when no turn came; raises what fn
--   raises
function M.run(name, max, wait_ms, fn, ...)
  local place = places[name] or { under_way = 0, waiting = {} }
  places[name] = place
  if not take(place, max, wait_ms) then
    return false
  end
  local ok, a, b = xpcall(fn, errors.capture, ...)
  give(name, place)
  if not ok then
    error(a, 0)
  end
  return true, a, b
end

return M
