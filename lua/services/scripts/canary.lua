--- How a canary's runs go, and its end when they go wrong.
--
-- Each worker counts and adds what it counted to the tenant's row: at once after a failure, else
-- within FLUSH_MS. Whoever finds the bound passed there takes the canary back.

local config = require("core.config")
local context = require("core.context")
local db = require("core.db")
local log = require("core.log")
local metrics = require("core.metrics")
local task = require("core.task")
local identity = require("services.identity")
local releases = require("services.scripts.releases")
local store = require("services.scripts.store")

local M = {}

local FLUSH_MS = 500

local counts = {} -- release id -> {tenant_id, runs, failures, urgent = signal, flushing}

local function is_bad(standing)
  local bounds = config.get().scripts
  return standing.canary_failures >= bounds.canary_failures
    and standing.canary_failures * 100 >= standing.canary_runs * bounds.canary_failure_percent
end

local function flush(id, count)
  local tenant = identity.find_tenant(context.system({ name = "scripts" }), count.tenant_id)
  local ctx = context.system({ name = "scripts:canary", tenant = tenant })
  local runs, failures = count.runs, count.failures
  count.runs, count.failures = 0, 0
  return tenant and db.transaction(ctx, function(tx_ctx)
    local standing = store.count_runs(tx_ctx, id, runs, failures)
    if standing and is_bad(standing) then
      releases.withdraw_canary(tx_ctx, standing, ("%d of %d runs failed")
        :format(standing.canary_failures, standing.canary_runs))
      return "withdrawn"
    end
  end)
end

local function keep_flushing(id, count)
  repeat
    if count.failures == 0 then
      count.urgent:wait(FLUSH_MS)
    end
    local ok, result = pcall(flush, id, count)
    if not ok then
      log.warn(nil, "a canary's runs were not counted", { release = id, error = tostring(result) })
    elseif result then
      log.warn(nil, "a canary was taken back", { release = id, tenant = count.tenant_id })
      metrics.add(metrics.counter("fixxit_script_canaries_withdrawn_total",
        "Canaries of tenants' scripts that took themselves back."))
    end
  until count.runs == 0
  counts[id] = nil
end

--- Notes how a run of a release ended. Never waits; costs nothing for what is no canary.
-- @param release as releases.for_entity gives it
-- @param ok false: an error or a limit
function M.record(release, ok)
  if not release.is_canary then
    return
  end
  local count = counts[release.id]
  if not count then
    count = { tenant_id = release.tenant_id, runs = 0, failures = 0, urgent = task.signal() }
    counts[release.id] = count
    task.spawn(keep_flushing, release.id, count)
  end
  count.runs = count.runs + 1
  if not ok then
    count.failures = count.failures + 1
    count.urgent:notify()
  end
end

return M
