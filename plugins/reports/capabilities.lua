-- What tenants' scripts can do with reports: the same as the API, by the same services.

local errors = require("core.errors")
local s = require("core.schema")
local scripts = require("services.scripts")
local categories = require("plugins.reports.categories")
local list = require("plugins.reports.list")
local reading = require("plugins.reports.reading")
local schema = require("plugins.reports.schema")
local service = require("plugins.reports.service")
local status = require("plugins.reports.status")

local function id(optional)
  return s.string({ format = "uuid", optional = optional })
end

local function show(ctx, report_id)
  return (reading.show(ctx, report_id))
end

-- Runs a check of a route on arguments; raises with all that is wrong.
local function check(ctx, checks, input, prefix)
  local problems = {}
  checks(ctx, input, function(field, code, message)
    problems[#problems + 1] = { field = prefix .. field, code = code, message = message }
  end)
  if #problems > 0 then
    errors.validation(problems)
  end
end

local filters = { by = s.string({ min = 1, max = 32, optional = true }) }
for name, filter in pairs(list.query.fields) do
  if name ~= "limit" and name ~= "page" and name ~= "cursor" and name ~= "sort"
    and name ~= "fields" and name ~= "include" then
    filters[name] = filter
  end
end

local REPORTS = {
  {
    name = "reports.get", parameters = { "id" }, arguments = s.object({ id = id() }),
    run = function(ctx, arguments)
      return show(ctx, arguments.id)
    end,
  },
  {
    name = "reports.list", arguments = list.query,
    run = function(ctx, arguments)
      check(ctx, list.check, { query = arguments }, "")
      return (list.find(ctx, arguments))
    end,
  },
  {
    -- A number; with `by` a list of {name, count}, the largest first.
    name = "reports.count", arguments = s.object(filters, { check = schema.check_list }),
    run = function(ctx, arguments)
      check(ctx, list.check, { query = arguments }, "")
      return list.count(ctx, arguments, arguments.by)
    end,
  },
  {
    name = "reports.create", writes = true, arguments = schema.create,
    run = function(ctx, arguments)
      check(ctx, categories.check, { body = arguments }, "")
      return (service.create(ctx, arguments))
    end,
    made_up = function(arguments, new_id, ctx)
      check(ctx, categories.check, { body = arguments }, "")
      local report = scripts.made_up(new_id(), arguments)
      report.status = "submitted"
      return report
    end,
  },
  {
    name = "reports.update", writes = true, parameters = { "id", "changes" },
    arguments = s.object({ id = id(), changes = schema.update }),
    run = function(ctx, arguments)
      check(ctx, categories.check_changes, { body = arguments.changes }, "changes.")
      service.update(ctx, arguments.id, arguments.changes)
      return show(ctx, arguments.id)
    end,
    made_up = function(arguments, _, ctx)
      check(ctx, categories.check_changes, { body = arguments.changes }, "changes.")
      return scripts.made_up(arguments.id, arguments.changes)
    end,
  },
  {
    name = "reports.set_status", writes = true, parameters = { "id", "status", "reason" },
    arguments = s.object({
      id = id(), status = schema.status.fields.status, reason = schema.status.fields.reason }),
    run = function(ctx, arguments)
      status.set_status(ctx, arguments.id, arguments)
      return show(ctx, arguments.id)
    end,
    made_up = function(arguments)
      return { id = arguments.id, status = arguments.status }
    end,
  },
  {
    name = "reports.merge", writes = true, parameters = { "id", "into" },
    arguments = s.object({ id = id(), into = id() }),
    run = function(ctx, arguments)
      status.merge(ctx, arguments.id, arguments.into)
      return show(ctx, arguments.id)
    end,
    made_up = function(arguments)
      return { id = arguments.id, status = "duplicate", duplicateOf = arguments.into }
    end,
  },
}

return {
  capabilities = { reports = REPORTS },
  permissions = { "reports.create", "reports.read", "reports.update" },
}
