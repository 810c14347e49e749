-- Work orders, teams and remediations: what this plugin offers to the platform.

local reports = require("plugins.reports")
local escalation = require("plugins.workorders.escalation")
local access = require("plugins.workorders.rules.access")
local capabilities = require("plugins.workorders.capabilities")
local messages = require("plugins.workorders.rules.messages")
local notices = require("plugins.workorders.notices")
local personal = require("plugins.workorders.personal")
local remediations = require("plugins.workorders.remediations")
local service = require("plugins.workorders.service")
local entity = require("plugins.workorders.entity")
local store = require("plugins.workorders.store")
local teams = require("plugins.workorders.teams")

local M = {}

M.create = service.create
M.assign = service.assign
M.act = service.act
M.remediate = remediations.create
M.make_team = teams.create
M.find_team = teams.find

-- Dispatchers hear everything; technicians what is theirs and their team's, and also what has
-- just been taken from them.
local function rooms(event)
  local data = event.data
  local found = { { room = "tenant_" .. event.tenantId .. "_admin", data = data } }
  local function add(prefix, id, suffix)
    if id then
      found[#found + 1] = { room = prefix .. id .. suffix, data = data }
    end
  end
  add("user_", data.assignedTo, "_notifications")
  add("team_", data.teamId, "")
  add("user_", data.previousAssignee, "_notifications")
  add("team_", data.previousTeam, "")
  return found
end

M.events = {
  ["workorder.created"] = { socket = "workorder:created", rooms = rooms },
  ["workorder.assigned"] = { socket = "workorder:assigned", rooms = rooms },
  ["workorder.updated"] = { socket = "workorder:updated", rooms = rooms },
  ["remediation.completed"] = { socket = "remediation:completed", rooms = rooms },
}

M.listeners = { ["workorder.assigned"] = { notices.ASSIGNED } }

M.messages = messages

M.audiences = { team = teams.user_ids }

local function shows_step(step)
  return function(data)
    return data.action == step and not data.deleted
  end
end

-- What rules can stand in front of.
local actions = {
  ["workorder.create"] = { event = "workorder.created" },
  ["workorder.update"] = { event = "workorder.updated", shows = shows_step(nil) },
  ["workorder.status"] = { event = "workorder.updated", shows = shows_step("status") },
  ["workorder.assign"] = { event = "workorder.assigned" },
  ["remediation.create"] = { event = "remediation.completed" },
}
for _, step in ipairs({ "accept", "reject", "start", "hold", "resume", "complete", "verify",
  "cancel" }) do
  actions["workorder." .. step] = { event = "workorder.updated", shows = shows_step(step) }
end
M.scripts = { actions = actions, capabilities = capabilities.capabilities,
  permissions = capabilities.permissions, entities = { workorder = entity.with(service.migrate) } }

-- Who does or reads work hears what is given to their teams.
M.hooks = {
  rooms = function(ctx)
    local found = {}
    if ctx:can("workorders.work") or ctx:can("workorders.read") then
      for i, id in ipairs(teams.ids_of_user(ctx, ctx.actor.user_id)) do
        found[i] = "team_" .. id
      end
    end
    return found
  end,
}

M.clocks = escalation.kinds(service.escalate)

M.personal = personal

M.file_parents = {
  workorder = {
    can_read = function(ctx, id) return service.find(ctx, id) ~= nil end,
    can_write = function(ctx, id)
      local order, person = service.find(ctx, id)
      return order ~= nil and access.can(person, "remediate", order)
    end,
  },
  remediation = {
    can_read = function(ctx, id) return remediations.find(ctx, id) ~= nil end,
    can_write = function(ctx, id)
      local row = remediations.find(ctx, id)
      return row ~= nil and row.performed_by == ctx.actor.user_id
    end,
  },
}

function M.start()
  reports.register_section("workOrders", service.summaries_of_reports, store.exists_for_report)
  reports.register_group("team", store.team_of_report)
  reports.register_filter("assignee", store.select_reports_of)
end

return M
