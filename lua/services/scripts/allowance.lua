--- How much CPU a tenant's rules may use in the background, on this node, per minute; then they
-- wait.

local allowance = require("core.allowance")
local config = require("core.config")
local errors = require("core.errors")
local process = require("services.scripts.process")

local M = {}

--- The lane of what runs in the background.
M.LANE = "background"

local MINUTE_MS, WAIT_MIN_MS = 60000, 1000

local function allowance_of(tenant)
  return "scripts " .. tenant.id, config.get().scripts.background_cpu_ms_per_minute, MINUTE_MS
end

--- Raises BUSY, with postpone_ms, when the tenant's rules have used all of it.
function M.check(ctx)
  local key, amount, period_ms = allowance_of(ctx.tenant)
  local left, wait_ms = allowance.left(key, amount, period_ms)
  if left == 0 then
    local err = errors.new("BUSY", "the tenant's rules have used their CPU for this minute")
    err.postpone_ms = math.max(wait_ms, WAIT_MIN_MS)
    error(err, 0)
  end
end

--- Counts what they have used since this was last called.
function M.count(ctx)
  local key, amount, period_ms = allowance_of(ctx.tenant)
  allowance.use(key, amount, period_ms, process.cpu_ms(ctx.tenant.id, M.LANE))
end

return M
