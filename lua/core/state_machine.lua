-- A state machine is a table; the same module runs reports, work orders and tenants' own states.
--
--   state_machine.new({ name = "report", initial = "submitted", states = { "submitted", ... },
--     transitions = { { from = { "submitted" }, to = "acknowledged", action = "acknowledge" } } })

local errors = require("core.errors")
local json = require("core.json")

local M = {}

local Machine = {}
Machine.__index = Machine

--- Makes a machine. Raises when a transition names an unknown state.
function M.new(description)
  local machine = setmetatable({
    name = description.name,
    initial = description.initial,
    states = description.states,
    transitions = description.transitions,
    known = {},
    targets = {}, -- from -> to -> action (true when it has no name)
    allowed_lists = {},
  }, Machine)
  for _, state in ipairs(description.states) do
    machine.known[state] = true
    machine.targets[state] = {}
    machine.allowed_lists[state] = json.array({})
  end
  local function check_known(state)
    if not machine.known[state] then
      error(("state machine %s: no state '%s'"):format(description.name, tostring(state)), 3)
    end
  end
  check_known(description.initial)
  for _, transition in ipairs(description.transitions) do
    check_known(transition.to)
    for _, from in ipairs(transition.from) do
      check_known(from)
      if not machine.targets[from][transition.to] then
        table.insert(machine.allowed_lists[from], transition.to)
      end
      machine.targets[from][transition.to] = transition.action or true
    end
  end
  return machine
end

--- The machine with further moves, and with the states that only they know. A move that it has
-- already stays what it is.
-- @param moves {{from = a state, to = a state}, ...}
function Machine:extended(moves)
  local description = { name = self.name, initial = self.initial, states = {}, transitions = {} }
  local known = {}
  local function add(state)
    if not known[state] then
      known[state] = true
      table.insert(description.states, state)
    end
  end
  for _, state in ipairs(self.states) do
    add(state)
  end
  for i, transition in ipairs(self.transitions) do
    description.transitions[i] = transition
  end
  for _, move in ipairs(moves) do
    add(move.from)
    add(move.to)
    if not self:can(move.from, move.to) then
      table.insert(description.transitions, { from = { move.from }, to = move.to })
    end
  end
  return M.new(description)
end

--- Whether the machine has the state.
function Machine:has(state)
  return self.known[state] == true
end

--- The states that may follow, in the order of the description.
function Machine:allowed(from)
  return self.allowed_lists[from] or json.array({})
end

--- Whether the move is allowed.
function Machine:can(from, to)
  local targets = self.targets[from]
  return targets ~= nil and targets[to] ~= nil
end

--- The name of the action that makes the move, or nil.
function Machine:action(from, to)
  local action = self.targets[from] and self.targets[from][to]
  return type(action) == "string" and action or nil
end

--- Raises 409 INVALID_TRANSITION, with what is allowed, unless the move is.
function Machine:check(from, to)
  if self:can(from, to) then
    return
  end
  local message = ("A %s cannot go from %s to %s"):format(self.name, from, tostring(to))
  errors.raise("INVALID_TRANSITION", message, {
    details = { {
      field = "status", code = "transition", message = message, from = from, to = to,
      allowed = self:allowed(from),
    } },
  })
end

return M
