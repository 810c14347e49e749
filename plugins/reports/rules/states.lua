-- The life of a report as a table, and how work on it carries it forward.

local state_machine = require("core.state_machine")

local M = {}

M.machine = state_machine.new({
  name = "report",
  initial = "submitted",
  states = {
    "submitted", "acknowledged", "in_progress", "resolved", "closed", "rejected", "duplicate",
    "reopened",
  },
  transitions = {
    { from = { "submitted" }, to = "acknowledged", action = "acknowledge" },
    { from = { "acknowledged", "reopened" }, to = "in_progress", action = "start" },
    { from = { "in_progress" }, to = "resolved", action = "resolve" },
    { from = { "resolved" }, to = "closed", action = "close" },
    { from = { "submitted", "acknowledged", "reopened" }, to = "rejected", action = "reject" },
    { from = { "submitted", "acknowledged", "reopened" }, to = "duplicate", action = "merge" },
    { from = { "resolved", "closed" }, to = "reopened", action = "reopen" },
  },
})

--- Those of what turned out to be nobody's hazard: left out where hazards are looked for.
M.NO_HAZARD = { "rejected", "duplicate" }

-- The way that work takes. A reopened report stands where an acknowledged one does.
local WAY = { "submitted", "acknowledged", "in_progress", "resolved" }
local PLACE = { submitted = 1, acknowledged = 2, reopened = 2, in_progress = 3, resolved = 4 }

--- Returns the states through which work carries a report from `from` to `to`: empty when it
-- is there or beyond, or has left that way (closed, rejected, duplicate).
function M.steps(from, to)
  local steps = {}
  for place = (PLACE[from] or #WAY) + 1, PLACE[to] do
    steps[#steps + 1] = WAY[place]
  end
  return steps
end

local ENDS = { resolved = true, closed = true, rejected = true, duplicate = true }

--- Tells whether a report of that status is still to be resolved.
function M.is_open(status)
  return not ENDS[status]
end

--- Tells whether work may still begin on a report of that status.
function M.takes_work(status)
  return M.is_open(status)
end

return M
