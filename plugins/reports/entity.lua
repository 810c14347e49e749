-- What tenants' rules are about when they say `of = "report"`.

local contact = require("plugins.reports.contact")
local states = require("plugins.reports.rules.states")
local store = require("plugins.reports.store")
local view = require("plugins.reports.rules.view")
local workflow = require("plugins.reports.workflow")

local M = {}

local function if_open(report)
  return report and states.is_open(report.status) and report or nil
end

--- Returns the report as rules see it, or nil when it is resolved, or was never one.
function M.show(ctx, id)
  local report = if_open(store.get(ctx, id))
  return report and view.full(report)
end

--- Locks the report, under the same conditions.
function M.lock(ctx, id)
  return if_open(store.get(ctx, id, true))
end

--- Returns what was given to make the report of a past event, with the contact: that is kept with
-- the report alone, and is gone where it was erased.
function M.given(ctx, event)
  local report = store.get(ctx, event.resourceId)
  if not report then
    return event.data
  end
  local data = {}
  for name, value in pairs(event.data) do
    data[name] = value
  end
  data.reporter = view.reporter(report, contact.open(ctx, report))
  return data
end

--- Returns what services.scripts wants of it.
-- @param migrate function(ctx, id, {from, to}, number): moves one to another status and release
function M.with(migrate)
  return { show = M.show, lock = M.lock, machine = states.machine, pins = workflow.pins,
    migrate = migrate }
end

return M
