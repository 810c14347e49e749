--- Switches off what keeps failing, and tells those who can do something about it.

local context = require("core.context")
local config = require("core.config")
local db = require("core.db")
local errors = require("core.errors")
local trace = require("core.trace")
local events = require("services.events")
local notifications = require("services.notifications")
local store = require("services.scripts.runs_store")
local switches = require("services.scripts.switches")

local M = {}

local TOLD = { roles = { "owner", "admin" } }
local MESSAGE_MAX = 300
-- What is no fault of the rule.
local NOT_THEIRS = { SERVICE_UNAVAILABLE = true, UNAVAILABLE = true, INTERNAL = true }

--- Announces that a handler failed for good, or was switched off; in the caller's transaction.
-- @param data what the event says besides file and hook
function M.announce(ctx, hook, data)
  data.file, data.hook, data.event, data.line = hook.file, hook.key, hook.name, hook.line
  events.emit(ctx, "script.failed", { resource_type = "script", resource_id = hook.file,
    data = data })
end

local function tell(ctx, hook, failures, err)
  local text = ("%s failed %d times running and was switched off: %s"):format(hook.key, failures,
    err.message:sub(1, MESSAGE_MAX))
  notifications.notify(ctx, { to = TOLD, type = "script.disabled",
    title = "A rule was switched off", message = text,
    data = { file = hook.file, hook = hook.key, code = err.code } })
end

-- @return whether it was on; what fails may be of a release of before, whose file is gone
local function switch_off(ctx, hook, failures, err)
  local ok, result = pcall(switches.disable, ctx, hook.file, { handler = hook.key,
    reason = ("failed %d times running: %s"):format(failures, err.message:sub(1, MESSAGE_MAX)) })
  if not ok and not errors.is(result, "NOT_FOUND") then
    error(result, 0)
  end
  return ok and result
end

--- Counts a run of a handler that failed; the one that fails too often running is switched off.
-- @param err of the run
function M.failed(ctx, hook, err)
  if NOT_THEIRS[err.code] then
    return
  end
  local system = context.system({ name = "scripts:breaker", tenant = ctx.tenant,
    request_id = ctx.request_id, trace = trace.of(ctx) })
  db.transaction(system, function(tx)
    local handler = hook.key
    local failures = store.count_failure(tx, handler)
    if failures < config.get().scripts.failures_max then
      return
    end
    store.forget_failures(tx, handler)
    if switch_off(tx, hook, failures, err) then
      tell(tx, hook, failures, err)
      M.announce(tx, hook, { switchedOff = true, failures = failures, error = err })
    end
  end)
end

--- A run of a handler went well.
function M.went_well(ctx, hook)
  store.forget_failures(ctx, hook.key)
end

return M
