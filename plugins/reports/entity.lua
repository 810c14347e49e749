-- What tenants' rules are about when they say `of = "report"`.

local states = require("plugins.reports.rules.states")
local store = require("plugins.reports.store")
local view = require("plugins.reports.rules.view")

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

--- Returns the numbers of the releases that reports are pinned to.
M.pinned = store.list_pinned

return M
