-- What the calls on work orders, teams and remediations take.

local s = require("core.schema")
local states = require("plugins.workorders.rules.states")
local view = require("plugins.workorders.rules.view")

local M = {}

M.PRIORITIES = { "low", "normal", "high", "urgent" }

local function reason(optional)
  return s.string({ min = 1, max = 1000, trim = true, optional = optional })
end

local function checklist()
  return s.array({
    of = s.object({
      text = s.string({ min = 1, max = 200, trim = true }),
      done = s.boolean({ optional = true, default = false }),
    }),
    max = 50, optional = true,
  })
end

local function location()
  return s.object({
    description = s.string({ min = 1, max = 500, optional = true, trim = true }),
    latitude = s.number({ min = -90, max = 90, decimals = 7, optional = true }),
    longitude = s.number({ min = -180, max = 180, decimals = 7, optional = true }),
  }, { optional = true })
end

local function check_location(value, problem)
  local place = type(value.location) == "table" and value.location or {}
  if (place.latitude == nil) ~= (place.longitude == nil) then
    local missing = place.latitude == nil and "latitude" or "longitude"
    problem("location." .. missing, "required", "latitude and longitude go together")
  end
end

local function order_fields()
  return {
    title = s.string({ min = 3, max = 200, trim = true, optional = true }),
    description = s.string({ max = 5000, optional = true }),
    priority = s.enum({ "low", "normal", "high", "urgent", optional = true }),
    location = location(),
    estimatedMinutes = s.integer({ min = 1, max = 100000, optional = true }),
    checklist = checklist(),
    metadata = s.map({ optional = true }),
  }
end

local creation = order_fields()
creation.reportId = s.string({ format = "uuid", optional = true })
M.create = s.object(creation, {
  check = function(value, problem, wrong)
    if value.reportId == nil and value.title == nil and not wrong.reportId then
      problem("title", "required", "must be given when there is no report")
    end
    check_location(value, problem)
  end,
})

M.update = s.object(order_fields(), { check = check_location })

M.id = s.object({ id = s.string({ format = "uuid" }) })

M.assign = s.object({
  userId = s.string({ format = "uuid", optional = true }),
  teamId = s.string({ format = "uuid", optional = true }),
  message = reason(true),
  expectedAssignee = s.string({ format = "uuid", optional = true, nullable = true,
    describe = "the user or team you believe is assigned; null for nobody" }),
  force = s.boolean({ optional = true, default = false }),
}, {
  check = function(value, problem, wrong)
    if (value.userId == nil) == (value.teamId == nil) and not (wrong.userId or wrong.teamId) then
      problem("userId", "required", "either userId or teamId must be given")
    end
  end,
})

M.reasoned = s.object({ reason = reason(false) })
M.maybe_reasoned = s.object({ reason = reason(true) })

M.complete = s.object({
  notes = s.string({ max = 5000, optional = true }),
  minutesSpent = s.integer({ min = 0, max = 100000, optional = true }),
})

M.status = s.object({
  status = s.string({ min = 1, max = 32 }),
  reason = reason(true),
})

--- What each step of a work order takes.
M.BODIES = {
  accept = M.maybe_reasoned, reject = M.reasoned, start = M.maybe_reasoned, hold = M.reasoned,
  resume = M.maybe_reasoned, complete = M.complete, verify = M.maybe_reasoned,
  cancel = M.maybe_reasoned,
}

M.filters = {
  status = s.list({ of = s.string({ pattern = "^%l[%l%d_]*$", max = 32 }), optional = true,
    describe = "of " .. table.concat(states.STATUSES, ", ")
      .. ", and what the tenant's rules add" }),
  priority = s.list({ of = s.enum(M.PRIORITIES), optional = true }),
  assignee = s.string({ format = "uuid", optional = true }),
  team = s.string({ format = "uuid", optional = true }),
  reportId = s.string({ format = "uuid", optional = true }),
  createdFrom = s.string({ format = "date-time", optional = true }),
  createdTo = s.string({ format = "date-time", optional = true }),
  overdue = s.boolean({ optional = true }),
  q = s.string({ min = 1, max = 200, optional = true, trim = true,
    describe = "words of title, description, place or number" }),
  fields = s.list({ of = s.enum(view.ORDER_FIELDS), optional = true }),
  include = s.list({ of = s.enum({ "attachments", "escalations" }), optional = true }),
  view = s.enum({ "list", "kanban", optional = true, default = "list" }),
}

--- A board has no pages: every column shows its first `limit` cards.
function M.check_list(query, problem)
  for _, name in ipairs({ "cursor", "page" }) do
    if query.view == "kanban" and query[name] ~= nil then
      problem(name, "unknown", "is not known with view=kanban")
    end
  end
end

local function materials()
  return s.array({
    of = s.object({
      name = s.string({ min = 1, max = 200, trim = true }),
      quantity = s.number({ min = 0, max = 1e9 }),
      unit = s.string({ max = 20, optional = true }),
      cost = s.number({ min = 0, max = 1e12, optional = true }),
    }),
    max = 100, optional = true,
  })
end

M.remediate = s.object({
  workOrderId = s.string({ format = "uuid" }),
  description = s.string({ min = 3, max = 5000, trim = true }),
  materialsUsed = materials(),
  timeSpent = s.integer({ min = 0, max = 100000, optional = true, describe = "minutes" }),
  completionDate = s.string({ format = "date-time", optional = true }),
})

M.update_remediation = s.object({
  description = s.string({ min = 3, max = 5000, trim = true, optional = true }),
  materialsUsed = materials(),
  timeSpent = s.integer({ min = 0, max = 100000, optional = true, describe = "minutes" }),
  completionDate = s.string({ format = "date-time", optional = true }),
})

M.of_order = s.object({ workorderId = s.string({ format = "uuid" }) })

return M
