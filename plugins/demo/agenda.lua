-- What is to happen in the demo world, each thing at its time.

local M = {}

local Agenda = {}
Agenda.__index = Agenda

function M.new()
  return setmetatable({ list = {} }, Agenda)
end

--- Puts down that fn(world) is to be done at a time.
function Agenda:add(at_ms, fn)
  self.list[#self.list + 1] = { at_ms = at_ms, fn = fn, place = #self.list }
end

--- Does in order of time what is due by now. The rest does not happen: what began and is not ended
-- is what a visitor finds under way.
function Agenda:run(world, now_ms)
  table.sort(self.list, function(a, b)
    if a.at_ms ~= b.at_ms then
      return a.at_ms < b.at_ms
    end
    return a.place < b.place
  end)
  for _, entry in ipairs(self.list) do
    if entry.at_ms > now_ms then
      break
    end
    world:go(entry.at_ms)
    entry.fn(world)
  end
  world:go(now_ms)
end

return M
