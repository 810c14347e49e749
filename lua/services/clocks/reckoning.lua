--- The arithmetic of a clock: pure. A clock is {state, since_ms, elapsed_ms, target_ms, mark},
-- where elapsed_ms is the open time up to since_ms; a calendar is core.calendar's. Steps are
-- {{mark, after_ms, ...}, ...}: each is due when so much open time has elapsed.

local M = {}

--- The open time that a clock has counted at a moment.
function M.elapsed(calendar, clock, now_ms)
  if clock.state ~= "running" then
    return clock.elapsed_ms
  end
  return clock.elapsed_ms + calendar:elapsed(clock.since_ms, now_ms)
end

--- When a running clock will have counted so much, or nil when never. What it had counted already
-- when it (last) began was over at that moment.
function M.due(calendar, clock, after_ms)
  return calendar:after(clock.since_ms, math.max(after_ms - clock.elapsed_ms, 0))
end

--- The step after those that were taken, by their marks; nil when all were. Of two in the wrong
-- order the later one is due when the earlier is.
function M.next_step(steps, mark)
  local after_ms = 0
  for _, step in ipairs(steps) do
    after_ms = math.max(after_ms, step.after_ms)
    if step.mark > mark then
      return step, after_ms
    end
  end
end

--- Sets when the next step of the clock is due, by its state.
function M.plan(calendar, clock, steps)
  local step, after_ms = M.next_step(steps, clock.mark)
  clock.next_due_ms = clock.state == "running" and step and M.due(calendar, clock, after_ms) or nil
end

--- Brings a clock into another state at a moment: what it counted so far is kept.
function M.move(calendar, clock, state, now_ms)
  clock.elapsed_ms = M.elapsed(calendar, clock, now_ms)
  clock.since_ms = now_ms
  clock.state = state
end

return M
