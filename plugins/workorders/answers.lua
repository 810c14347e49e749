-- What the calls on work orders, teams and remediations answer, as the API's description tells it.
-- A field that is empty is left out.

local makers = require("core.schema.fields")
local s = require("core.schema")
local files = require("services.files")
local schema = require("plugins.workorders.schema")
local states = require("plugins.workorders.rules.states")

local M = {}

local id, time, text = makers.id, makers.time, makers.text

local function integer(describe)
  return s.integer({ optional = true, describe = describe })
end

local function named(name, optional)
  return s.object({ id = id(), name = text(true) }, { name = name, optional = optional })
end

local escalation = s.object({
  percent = s.integer({ describe = "so much of the time for it was over" }),
  breached = s.boolean(),
  createdAt = time(),
}, { name = "WorkOrderEscalation" })

-- `sparse`: any field but the id may be left out.
local function order(name, sparse)
  return s.object({
    id = id(),
    number = text(sparse, "WO-<year>-<number without gaps>"),
    reportId = id(true),
    title = text(sparse),
    description = text(true),
    priority = s.enum({ optional = sparse, unpack(schema.PRIORITIES) }),
    status = text(sparse, "one of " .. table.concat(states.STATUSES, ", ")),
    assignedTo = id(true),
    assignee = named("Person", true),
    teamId = id(true),
    team = named("TeamName", true),
    assignedAt = time(true),
    createdBy = id(true),
    location = s.object({
      description = text(true),
      latitude = s.number({ optional = true }),
      longitude = s.number({ optional = true }),
    }, { optional = sparse }),
    scheduledStart = time(true),
    scheduledEnd = time(true),
    scheduleStatus = text(true, "none, proposed, approved or declined"),
    estimatedMinutes = integer(),
    minutesSpent = integer(),
    completionNotes = text(true),
    slaDueAt = time(true),
    checklist = s.array({ optional = sparse,
      of = s.object({ text = text(), done = s.boolean() }) }),
    metadata = s.map({ optional = sparse }),
    version = s.integer({ optional = sparse }),
    createdAt = time(sparse),
    updatedAt = time(sparse),
    completedAt = time(true),
    attachments = s.array({ of = files.ATTACHMENT, optional = true }),
    escalations = s.array({ of = escalation, optional = true }),
  }, { name = name })
end

M.order = order("WorkOrder")

--- What is told of a move besides.
M.moved_meta = s.object({
  reportHeld = s.object({ status = text(false, "to which the report would have gone"),
    rule = text(false, "which does not let it: file:line") }, { optional = true,
    describe = "the work goes on, its report stays where it is" }),
})

local listed = order("ListedWorkOrder", true)

M.list = s.either({
  s.array({ of = listed }),
  s.object({ columns = s.array({ of = s.object({
    status = text(),
    count = s.integer(),
    items = s.array({ of = listed }),
  }) }) }, { name = "Kanban" }),
})

M.history = s.array({ of = s.object({
  id = id(),
  action = text(),
  from = text(true),
  to = text(true),
  reason = text(true),
  details = s.any({ optional = true }),
  changedBy = named("Person", true),
  createdAt = time(),
}, { name = "WorkOrderChange" }) })

M.teams = s.array({ of = s.object({
  id = id(),
  name = text(),
  skills = s.array({ of = s.string() }),
  members = s.array({ of = named("Person") }),
  version = s.integer(),
  createdAt = time(),
  updatedAt = time(),
}, { name = "Team" }) })

M.remediation = s.object({
  id = id(),
  workOrderId = id(),
  performedBy = id(true),
  description = text(),
  materialsUsed = s.array({ of = s.object({
    name = text(),
    quantity = s.number(),
    unit = text(true),
    cost = s.number({ optional = true }),
  }) }),
  timeSpent = integer("minutes"),
  completionDate = time(true),
  beforePhotos = s.array({ of = files.ATTACHMENT }),
  afterPhotos = s.array({ of = files.ATTACHMENT }),
  version = s.integer(),
  createdAt = time(),
  updatedAt = time(),
}, { name = "Remediation" })

M.remediations = s.array({ of = M.remediation })

return M
