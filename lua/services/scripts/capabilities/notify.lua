--- notify{...}: tells people of the tenant something.

local db = require("core.db")
local errors = require("core.errors")
local registry = require("core.registry")
local s = require("core.schema")
local notifications = require("services.notifications")

local MANY = 50
-- What a message can be about: field -> the kind of thing.
local SUBJECTS = { reportId = "report", workOrderId = "workorder" }

local function id()
  return s.string({ format = "uuid", optional = true })
end

local function name()
  return s.string({ min = 1, max = 100, optional = true })
end

local function names()
  return s.array({ of = s.string({ min = 1, max = 100 }), min = 1, max = MANY, optional = true })
end

local TO = { "user", "users", "role", "roles", "team", "teams" }

local function check(value, problem, wrong)
  for _, whom in ipairs(TO) do
    if value[whom] ~= nil or wrong[whom] then
      return
    end
  end
  problem("user", "required", "is required: or users, role, roles, team or teams")
end

local ARGUMENTS = s.object({
  user = id(),
  users = s.array({ of = s.string({ format = "uuid" }), min = 1, max = MANY, optional = true }),
  role = name(),
  roles = names(),
  team = name(),
  teams = names(),
  title = s.string({ min = 1, max = 200, trim = true }),
  message = s.string({ min = 1, max = 2000, trim = true, optional = true }),
  type = s.string({ pattern = "^%l[%w_.-]*$", max = 80, default = "script.message",
    describe = "a name such as outage.reported" }),
  channels = s.array({ of = s.enum({ "in_app", "email", "sms", "push" }), min = 1, max = 4,
    optional = true }),
  data = s.map({ optional = true }),
  reportId = id(),
  workOrderId = id(),
}, { check = check })

-- The one and the many as one list.
local function together(one, many)
  local list = { one }
  for _, entry in ipairs(many or {}) do
    list[#list + 1] = entry
  end
  return list
end

-- Names that are given twice count once.
local function unique(list)
  local found, seen = {}, {}
  for _, entry in ipairs(list) do
    if not seen[entry] then
      seen[entry] = true
      found[#found + 1] = entry
    end
  end
  return found
end

local function to_of(arguments)
  return {
    users = unique(together(arguments.user, arguments.users)),
    roles = unique(together(arguments.role, arguments.roles)),
    groups = { team = unique(together(arguments.team, arguments.teams)) },
  }
end

-- Refuses what a message is about when the tenant has no such thing.
local function check_subjects(ctx, arguments)
  for field, kind in pairs(SUBJECTS) do
    local subject = arguments[field]
    if subject and not registry.file_parents[kind].can_read(ctx, subject) then
      errors.raise("NOT_FOUND", "there is nothing with such an id", { details = { { field = field,
        code = "check", message = "is the id of nothing here" } } })
    end
  end
end

local function data_of(arguments)
  local data = arguments.data or {}
  data.reportId = arguments.reportId or data.reportId
  data.workOrderId = arguments.workOrderId or data.workOrderId
  return next(data) and data or nil
end

return {
  {
    -- How many people it is for.
    name = "notify", writes = true, keyed = true, arguments = ARGUMENTS,
    run = function(ctx, arguments, call)
      return db.transaction(ctx, function(tx)
        check_subjects(tx, arguments)
        return notifications.notify(tx, {
          to = to_of(arguments),
          type = arguments.type,
          title = arguments.title,
          message = arguments.message or arguments.title,
          data = data_of(arguments),
          channels = arguments.channels,
          key = "script:" .. call.key,
        })
      end)
    end,
    made_up = function(arguments, _, ctx)
      return #notifications.recipients(ctx, to_of(arguments))
    end,
  },
}
