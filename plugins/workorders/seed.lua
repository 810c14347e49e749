-- The demo teams of Riverton and work orders in several states, made by the demo people through
-- the services. Does nothing when the tenant has teams.

local identity = require("services.identity")
local reports = require("plugins.reports")
local remediations = require("plugins.workorders.remediations")
local service = require("plugins.workorders.service")
local store = require("plugins.workorders.teams_store")

local M = {}

local TEAMS = {
  { name = "Roads", skills = { "pothole", "roads", "sidewalk", "traffic_signal" },
    members = { 1 } },
  { name = "Electrical", skills = { "electrical", "street_light" }, members = { 1, 2 } },
  { name = "Parks", skills = { "parks", "fallen_tree", "waste", "graffiti" }, members = { 2 } },
}

local function make_teams(ctx)
  local technicians = identity.members_with_role(ctx, { "technician" })
  local ids = {}
  for _, team in ipairs(TEAMS) do
    ids[team.name] = store.insert(ctx, team)
    for _, index in ipairs(team.members) do
      if technicians[index] then
        store.add_member(ctx, ids[team.name], technicians[index].id)
      end
    end
  end
  return ids
end

-- What happened so far to the work on the reports with these titles.
local function make_orders(ctx, teams)
  local acting, find = reports.seed.acting, reports.seed.find_by_title
  local dispatcher = acting(ctx, "dispatcher")
  local tech = { acting(ctx, "technician", 1), acting(ctx, "technician", 2) }
  local function order(title)
    return service.create(dispatcher, { reportId = find(ctx, title) }).id
  end

  order("Raised paving slab")

  service.assign(dispatcher, order("Street light out at the crossing"),
    { teamId = teams.Electrical })

  local pothole = order("Deep pothole by the bus stop")
  service.assign(dispatcher, pothole, { userId = tech[1].actor.user_id,
    message = "Cold patch first, please." })
  service.act(tech[1], pothole, "accept", {})

  local tree = order("Tree across the riverside path")
  service.assign(dispatcher, tree, { userId = tech[2].actor.user_id })
  service.act(tech[2], tree, "accept", {})
  service.act(tech[2], tree, "start", {})

  local bins = order("Overflowing bins at the market")
  service.assign(dispatcher, bins, { userId = tech[2].actor.user_id })
  for _, action in ipairs({ "accept", "start" }) do
    service.act(tech[2], bins, action, {})
  end
  remediations.create(tech[2], { workOrderId = bins, timeSpent = 40,
    description = "Emptied, washed down, two bins replaced by larger ones." })
  service.act(tech[2], bins, "complete", { notes = "All clear", minutesSpent = 40 })
end

--- Makes the demo teams and work orders.
-- @return how many teams were made
function M.run(ctx)
  local own = reports.seed.context(ctx)
  if not own or store.count(own) > 0 then
    return 0
  end
  make_orders(own, make_teams(own))
  return #TEAMS
end

return M
