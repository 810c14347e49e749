-- What tenants' scripts can do with work orders, teams and remediations: the same as the API, by
-- the same services. Teams go by their names, or ids.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local s = require("core.schema")
local scripts = require("services.scripts")
local list = require("plugins.workorders.list")
local remediations = require("plugins.workorders.remediations")
local schema = require("plugins.workorders.schema")
local service = require("plugins.workorders.service")
local states = require("plugins.workorders.rules.states")
local teams = require("plugins.workorders.teams")

local TEAMS_MAX = 100 -- of a list

local function id(optional)
  return s.string({ format = "uuid", optional = optional })
end

local function team(optional)
  return s.string({ min = 1, max = 100, optional = optional, describe = "its name or id" })
end

-- The id of a team; nil for nil.
local function team_id(ctx, name)
  local found = name and teams.find(ctx, name)
  if name and not found then
    errors.validation({ { field = "team", code = "enum", message = "must be a team" } })
  end
  return found and found.id
end

-- A copy of the fields of a schema, without some and with others.
local function fields_of(from, without, more)
  local fields = {}
  for name, field in pairs(from.fields) do
    fields[name] = field
  end
  for _, name in ipairs(without) do
    fields[name] = nil
  end
  for name, field in pairs(more) do
    fields[name] = field
  end
  return fields
end

-- Those of an assignment, which fails as it would.
local function assigned(ctx, order_id, to)
  local request = { userId = to.userId, teamId = team_id(ctx, to.team) }
  service.check_assignee(ctx, request)
  return { id = order_id, status = "assigned", assignedTo = request.userId or json.null,
    teamId = request.teamId or json.null }
end

-- The same of one that would have been made.
local function made_up_order(arguments, new_id, ctx)
  local order = scripts.made_up(new_id(), arguments)
  order.status, order.number = states.machine.initial, "WO-0000-000000"
  order.priority = order.priority or "normal"
  order.userId, order.team = nil, nil
  if arguments.userId or arguments.team then
    local given = assigned(ctx, order.id, arguments)
    order.status, order.assignedTo, order.teamId = given.status, given.assignedTo, given.teamId
  end
  return order
end

-- The arguments as the list takes them.
local function query_of(ctx, arguments)
  local query, problems = {}, {}
  for name, value in pairs(arguments) do
    query[name] = value
  end
  query.team, query.by = team_id(ctx, arguments.team), nil
  list.check(ctx, { query = query }, function(field, code, message)
    problems[#problems + 1] = { field = field, code = code, message = message }
  end)
  return #problems == 0 and query or errors.validation(problems)
end

local function assign(ctx, order_id, given)
  return service.assign(ctx, order_id, { userId = given.userId, teamId = team_id(ctx, given.team),
    message = given.message, force = given.force })
end

local function check_one(value, problem, wrong)
  if (value.userId == nil) == (value.team == nil) and not (wrong.userId or wrong.team) then
    problem("userId", "required", "either userId or team must be given")
  end
end

local ASSIGNMENT = s.object({
  userId = id(true),
  team = team(true),
  message = schema.assign.fields.message,
  force = schema.assign.fields.force,
}, { check = check_one })

local CREATION = s.object(fields_of(schema.create, {}, { userId = id(true), team = team(true) }), {
  check = function(value, problem, wrong)
    schema.create.check(value, problem, wrong)
    if value.userId and value.team then
      problem("team", "conflict", "and userId exclude each other")
    end
  end,
})

local LISTING = s.object(fields_of(list.query, { "view" }, { team = team(true) }),
  { check = list.query.check })

local COUNTING = s.object(fields_of(list.query,
  { "view", "limit", "page", "cursor", "sort", "fields", "include" }, {
    team = team(true),
    by = s.enum({ "status", "priority", "team", "assignee", optional = true }),
  }))

local WORKORDERS = {
  {
    name = "workorders.get", parameters = { "id" }, arguments = s.object({ id = id() }),
    run = function(ctx, arguments)
      return service.get(ctx, arguments.id)
    end,
  },
  {
    name = "workorders.list", arguments = LISTING,
    run = function(ctx, arguments)
      return (list.find(ctx, query_of(ctx, arguments)))
    end,
  },
  {
    -- A number; with `by` a list of {name, count}, the largest first.
    name = "workorders.count", arguments = COUNTING,
    run = function(ctx, arguments)
      return list.count(ctx, query_of(ctx, arguments), arguments.by)
    end,
  },
  {
    name = "workorders.create", writes = true, arguments = CREATION,
    run = function(ctx, arguments)
      return db.transaction(ctx, function(tx)
        local order = service.create(tx, arguments)
        if arguments.userId or arguments.team then
          order = assign(tx, order.id, arguments)
        end
        return order
      end)
    end,
    made_up = made_up_order,
  },
  {
    name = "workorders.update", writes = true, parameters = { "id", "changes" },
    arguments = s.object({ id = id(), changes = schema.update }),
    run = function(ctx, arguments)
      return service.update(ctx, arguments.id, arguments.changes)
    end,
    made_up = function(arguments)
      return scripts.made_up(arguments.id, arguments.changes)
    end,
  },
  {
    name = "workorders.assign", writes = true, parameters = { "id", "to" },
    arguments = s.object({ id = id(), to = ASSIGNMENT }),
    run = function(ctx, arguments)
      return assign(ctx, arguments.id, arguments.to)
    end,
    made_up = function(arguments, _, ctx)
      return assigned(ctx, arguments.id, arguments.to)
    end,
  },
}

-- Steps of a work order's life that need nobody in particular: workorders.hold(id, "why"). In a dry
-- run they lead to these states, wherever they begin.
local STEPS = {
  start = { to = "in_progress" },
  hold = { to = "on_hold", needs_reason = true },
  resume = { to = "in_progress" },
  cancel = { to = "cancelled", needs_reason = true },
  verify = { to = "verified" },
}
for name, step in pairs(STEPS) do
  local of = step.needs_reason and schema.reasoned or schema.maybe_reasoned
  WORKORDERS[#WORKORDERS + 1] = {
    name = "workorders." .. name, writes = true, parameters = { "id", "reason" },
    arguments = s.object({ id = id(), reason = of.fields.reason }),
    run = function(ctx, arguments)
      return service.act(ctx, arguments.id, name, { reason = arguments.reason })
    end,
    made_up = function(arguments)
      return { id = arguments.id, status = step.to }
    end,
  }
end
WORKORDERS[#WORKORDERS + 1] = {
  name = "workorders.set_status", writes = true, parameters = { "id", "status", "reason" },
  arguments = s.object({ id = id(), status = schema.status.fields.status,
    reason = schema.status.fields.reason }),
  run = function(ctx, arguments)
    return service.set_status(ctx, arguments.id, { status = arguments.status,
      reason = arguments.reason })
  end,
  made_up = function(arguments)
    return { id = arguments.id, status = arguments.status }
  end,
}
WORKORDERS[#WORKORDERS + 1] = {
  name = "workorders.complete", writes = true, parameters = { "id", "input" },
  arguments = s.object({ id = id(), input = s.object(schema.complete.fields, { default = {} }) }),
  run = function(ctx, arguments)
    return service.act(ctx, arguments.id, "complete", arguments.input)
  end,
  made_up = function(arguments)
    return { id = arguments.id, status = "completed", completionNotes = arguments.input.notes,
      minutesSpent = arguments.input.minutesSpent }
  end,
}

local REMEDIATIONS = {
  {
    name = "remediations.list", parameters = { "workOrderId" },
    arguments = s.object({ workOrderId = id() }),
    run = function(ctx, arguments)
      return remediations.list(ctx, arguments.workOrderId)
    end,
  },
  {
    name = "remediations.create", writes = true, arguments = schema.remediate,
    run = function(ctx, arguments)
      return remediations.create(ctx, arguments)
    end,
    made_up = function(arguments, new_id)
      return { id = new_id(), workOrderId = arguments.workOrderId,
        description = arguments.description }
    end,
  },
}

local TEAMS = {
  {
    name = "teams.list", arguments = s.object({}),
    run = function(ctx)
      return (teams.list(ctx, { limit = TEAMS_MAX }))
    end,
  },
  {
    -- The team with its members, or nothing.
    name = "teams.get", parameters = { "team" }, arguments = s.object({ team = team() }),
    run = function(ctx, arguments)
      return teams.show(ctx, arguments.team) or json.null
    end,
  },
}

return {
  capabilities = { workorders = WORKORDERS, remediations = REMEDIATIONS, teams = TEAMS },
  permissions = {
    "workorders.create", "workorders.read", "workorders.update", "workorders.assign",
    "remediations.create", "remediations.read",
  },
}
