-- An amount per period that is used first and counted afterwards: what something costs is often
-- known only when it is over. Counted by all processes of a node together.

local limits = require("host.limits")

local M = {}

--- What is left of an allowance.
-- @param key whose it is
-- @param amount that comes back evenly over the period
-- @return what is left; ms until there is some again (0 while there is)
function M.left(key, amount, period_ms)
  local _, remaining, _, retry_ms = limits.take(key, amount, period_ms, 0)
  if remaining >= 1 then
    return remaining, 0
  end
  return 0, math.max(retry_ms, math.ceil(period_ms / amount))
end

--- Counts what was used. What goes beyond the allowance is forgotten.
function M.use(key, amount, period_ms, used)
  local remaining = M.left(key, amount, period_ms)
  local whole = math.min(math.ceil(used), remaining)
  if whole > 0 then
    limits.take(key, amount, period_ms, whole)
  end
end

return M
