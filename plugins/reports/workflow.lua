-- The states of a report: the product's, and those that the tenant's rules add.

local scripts = require("services.scripts")
local states = require("plugins.reports.rules.states")
local view = require("plugins.reports.rules.view")

local M = {}

--- The releases that reports are pinned to (services.scripts).
M.pins = scripts.pins("reports")

local OF = "report"

--- Returns the workflow of a report (services.scripts): its `machine` says what may follow.
function M.of(ctx, report)
  return scripts.workflow(ctx, OF, states.machine, report.workflow_release)
end

--- Returns the release that a new report is pinned to, or nil.
function M.opening(ctx, id)
  return scripts.opening(ctx, OF, id)
end

--- Asks the guards of a move. Call it before the transaction, with the report as it is then.
-- @return nil when they agree, or there are none; else the error that they refuse it with
function M.refusal(ctx, report, to)
  local workflow = M.of(ctx, report)
  return scripts.is_guarded(workflow, report.status, to)
    and scripts.guards_refusal(ctx, workflow, report.status, to,
      { id = report.id, name = "report", data = view.full(report) }) or nil
end

--- Tells whether a move of a locked report has a guard.
function M.is_guarded(ctx, report, from, to)
  return scripts.is_guarded(M.of(ctx, report), from, to)
end

--- Tells whether a status is one of a report's, here or in the tenant's rules.
function M.knows(ctx, status)
  if states.machine:has(status) then
    return true
  elseif not scripts.active(ctx, ctx.tenant.id) then
    return false
  end
  for _, state in ipairs(scripts.states(ctx, OF, states.machine, M.pins.list(ctx))) do
    if state == status then
      return true
    end
  end
  return false
end

return M
