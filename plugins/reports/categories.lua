-- The category of a report, as the tenant's settings have it: whether it is one, what it wants to
-- know, and when its reports are due.

local json = require("core.json")
local categories = require("plugins.reports.rules.categories")

local M = {}

local HOUR_MS = 3600 * 1000

local function settings_of(ctx)
  return ctx:require_tenant().settings
end

--- Returns the category of that code, or nil when the tenant has none (any more).
function M.find(ctx, code)
  return categories.find(settings_of(ctx), code)
end

--- Checks the category of changes. Called with the other checks of the input, so that all mistakes
-- are told at once.
-- @return the category, if it was given and is one
function M.check_changes(ctx, input, problem)
  local code = type(input.body) == "table" and input.body.category
  local found = code and M.find(ctx, code)
  if code and not found then
    problem("category", "enum",
      "must be one of " .. table.concat(categories.codes(settings_of(ctx)), ", "))
  end
  return found
end

--- The same for a new report: also what its category wants to know.
function M.check(ctx, input, problem)
  local found = M.check_changes(ctx, input, problem)
  if found then
    categories.check_fields(found, input.body.metadata or {}, problem)
  end
end

--- Returns the severity of a report that names none.
function M.severity(category)
  return category.severity or categories.SEVERITY
end

--- Returns the business time (ms) in which a report of this category and severity is to be
-- resolved, or nil.
function M.target_ms(ctx, category, severity)
  local hours = categories.sla_hours(settings_of(ctx), category, severity)
  return hours and hours * HOUR_MS or nil
end

--- Returns the tenant's categories.
function M.list(ctx)
  return json.array(categories.shown(settings_of(ctx)))
end

return M
