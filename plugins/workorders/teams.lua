-- Teams: who works together, and on which categories.

local json = require("core.json")
local teams_store = require("plugins.workorders.teams_store")
local view = require("plugins.workorders.rules.view")

local M = {}

--- Returns the tenant's teams with their members.
function M.list(ctx)
  local members = {}
  for _, row in ipairs(teams_store.list_members(ctx)) do
    members[row.team_id] = members[row.team_id] or json.array({})
    table.insert(members[row.team_id], { id = row.user_id, name = row.name })
  end
  local found = json.array({})
  for i, row in ipairs(teams_store.list(ctx)) do
    found[i] = view.team(row, members[row.id] or json.array({}))
  end
  return found
end

--- Returns the ids of the teams that a person is in.
M.ids_of_user = teams_store.ids_of_user

return M
