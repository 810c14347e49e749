-- The stage: who acts in the demo world, and at what time. Everything is done through the services
-- as anybody does it, so that it has its history, audit trail and events.

local db = require("core.db")
local json = require("core.json")
local time = require("core.time")
local clocks = require("services.clocks")
local identity = require("services.identity")
local reports = require("plugins.reports")
local workorders = require("plugins.workorders")
local photo = require("plugins.demo.photo")

local M = {}

local World = {}
World.__index = World

local TEAMS = {
  { name = "Roads", skills = { "pothole", "roads", "sidewalk", "traffic_signal" },
    members = { 1 } },
  { name = "Electrical", skills = { "electrical", "street_light" }, members = { 1, 2 } },
  { name = "Parks", skills = { "parks", "fallen_tree", "waste", "graffiti" }, members = { 2 } },
}

-- A context in which one of the tenant's people acts. `silent`: nobody wants mails of what never
-- happened, nor rules that act on it.
local function acting(ctx, role, index)
  local member = identity.members_with_role(ctx, { role })[index or 1]
  return ctx:with({
    actor = {
      kind = "user", user_id = member.id, name = member.name, role = member.role, silent = true,
      permissions = setmetatable({}, { __index = function(_, permission)
        return identity.role_has(member.role, permission)
      end }),
    },
  })
end

--- @param tx a context of the tenant with a transaction, which all of it is done in
-- @param travels whether things happen at their own times, not all of them now
function M.open(tx, travels)
  local silent = tx:with({ actor = { kind = "system", name = "seed", silent = true,
    permissions = tx.actor.permissions } })
  return setmetatable({
    ctx = silent, travels = travels, teams = {},
    admin = acting(tx, "admin"),
    dispatcher = acting(tx, "dispatcher"),
    technicians = { acting(tx, "technician", 1), acting(tx, "technician", 2) },
    citizen = acting(tx, "public"),
    anonymous = tx:with({ actor = { kind = "anonymous", permissions = {}, silent = true } }),
  }, World)
end

local function set_clock(world, ms)
  time.pretend(ms)
  db.pretend(world.ctx, ms)
end

--- Goes on to a time; what the clocks of open work do until then they do on the way.
function World:go(ms)
  if self.travels then
    clocks.live_until(self.ctx, ms, function(due_ms)
      set_clock(self, due_ms)
    end)
    set_clock(self, ms)
  end
end

--- Comes back to now.
function World:leave()
  if self.travels then
    set_clock(self, nil)
  end
end

--- Makes the teams.
function World:make_teams()
  for _, team in ipairs(TEAMS) do
    local members = {}
    for i, index in ipairs(team.members) do
      members[i] = self.technicians[index].actor.user_id
    end
    workorders.make_team(self.ctx, { name = team.name, skills = team.skills, members = members })
  end
end

--- Reports a hazard.
-- @param hazard category, severity, title, description, place = {description, latitude,
--   longitude}; source, reporter (contact of who does not sign in), citizen (whether the demo
--   citizen reports it), picture = number of the picture that goes with it, or nil
-- @return the report's id
function World:report(hazard)
  local photos = hazard.picture and { photo.upload(hazard.category, hazard.picture) } or {}
  local made = reports.create(hazard.citizen and self.citizen or self.anonymous, {
    title = hazard.title, description = hazard.description, category = hazard.category,
    severity = hazard.severity, location = hazard.place, source = hazard.source or "web",
    reporter = hazard.reporter, metadata = {}, tags = json.array({}),
  }, photos)
  photo.remove(photos)
  return made.id
end

--- The dispatcher makes a work order of a report. @return its id
function World:order(report_id, fields)
  local input = { reportId = report_id }
  for name, value in pairs(fields or {}) do
    input[name] = value
  end
  return (workorders.create(self.dispatcher, input)).id
end

--- The dispatcher gives work to a technician (1 or 2), or to a team by its name.
function World:assign(order_id, who, message)
  local to = { message = message }
  if type(who) == "number" then
    to.userId = self.technicians[who].actor.user_id
  else
    to.teamId = workorders.find_team(self.ctx, who).id
  end
  workorders.assign(self.dispatcher, order_id, to)
end

--- A technician takes a step, or the dispatcher where none is named.
function World:act(order_id, action, input, technician)
  workorders.act(technician and self.technicians[technician] or self.dispatcher, order_id, action,
    input or {})
end

--- A technician writes down what was done.
function World:remediate(order_id, technician, done)
  workorders.remediate(self.technicians[technician], {
    workOrderId = order_id, description = done.description, timeSpent = done.minutes,
    materialsUsed = done.materials,
  })
end

--- The dispatcher moves a report.
function World:move(report_id, status, reason)
  reports.set_status(self.dispatcher, report_id, { status = status, reason = reason })
end

--- The dispatcher finds that one report is of the same as another.
function World:merge(report_id, into)
  reports.merge(self.dispatcher, report_id, into)
end

return M
