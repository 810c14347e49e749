-- Teams: who works together, and on which categories.

local json = require("core.json")
local paging = require("core.paging")
local uuid = require("core.uuid")
local teams_store = require("plugins.workorders.teams_store")
local view = require("plugins.workorders.rules.view")

local M = {}

M.query = paging.query_schema({ sorts = { "name", "createdAt" } })

local PAGING = { columns = teams_store.SORTS, id = "t.id", default = "name" }

--- Returns one page of the tenant's teams with their members, and its meta.
-- @param query as M.query cleans it
function M.list(ctx, query)
  local page = paging.read(ctx, query, PAGING)
  local rows = teams_store.list(ctx, page)
  local meta = paging.meta(page, rows, page.page and teams_store.count(ctx))
  local ids, members = {}, {}
  for i, row in ipairs(rows) do
    ids[i], members[row.id] = row.id, json.array({})
  end
  for _, row in ipairs(teams_store.list_members(ctx, ids)) do
    table.insert(members[row.team_id], { id = row.user_id, name = row.name })
  end
  local found = json.array({})
  for i, row in ipairs(rows) do
    found[i] = view.team(row, members[row.id])
  end
  return found, meta
end

--- Returns the living team of that id or name, or nil.
function M.find(ctx, id_or_name)
  if uuid.is(id_or_name) then
    return teams_store.get(ctx, id_or_name)
  end
  return teams_store.find_by_name(ctx, id_or_name)
end

--- Returns the living team of that id or name with its members, or nil.
function M.show(ctx, id_or_name)
  local row = M.find(ctx, id_or_name)
  if not row then
    return nil
  end
  local members = json.array({})
  for i, member in ipairs(teams_store.list_members(ctx, { row.id })) do
    members[i] = { id = member.user_id, name = member.name }
  end
  return view.team(row, members)
end

--- Returns the ids of those in the team of that id or name, or nil when there is no such team.
function M.user_ids(ctx, id_or_name)
  local team = M.find(ctx, id_or_name)
  if not team then
    return nil
  end
  local ids = {}
  for i, member in ipairs(teams_store.list_members(ctx, { team.id })) do
    ids[i] = member.user_id
  end
  return ids
end

--- Makes a team.
-- @param team name, skills, members = user ids
-- @return its id
function M.create(ctx, team)
  local id = teams_store.insert(ctx, team)
  for _, user_id in ipairs(team.members) do
    teams_store.add_member(ctx, id, user_id)
  end
  return id
end

--- Returns the ids of the teams that a person is in.
M.ids_of_user = teams_store.ids_of_user

return M
