--- What `before` hooks can stand in front of: the actions that plugins register, each by a line in
-- their init.lua:
--
--   M.scripts = { actions = { ["report.create"] = { event = "report.created" } } }
--
-- `event` is the event that follows the action; shows(data) tells whether an event of that name was
-- caused by it, where several actions cause it; given(ctx, event) returns what the action was given
-- then, where the event's data does not say all of it.

local json = require("core.json")
local registry = require("core.registry")

local M = {}

--- The names in order.
function M.names()
  local list = json.array({})
  for name in pairs(registry.script_actions) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

--- The action that a past event tells of, or nil.
-- @param event of the log: event, data
function M.of_event(event)
  for _, name in ipairs(M.names()) do
    local action = registry.script_actions[name]
    if action.event == event.event and (not action.shows or action.shows(event.data)) then
      return name
    end
  end
end

--- What the action that a past event tells of was given, as far as it is known.
function M.given(ctx, name, event)
  local action = registry.script_actions[name]
  return action.given and action.given(ctx, event) or event.data
end

return M
