--- SQL of the clocks that are due, whose tenants are not known yet: so it goes past the tenant
-- check. Who takes a clock puts its wake_at off by a lease; whoever dies in between is followed by
-- the next after it.

local db = require("core.db")

local M = {}

--- Takes up to `limit` due clocks that nobody else is taking, for the length of the lease.
-- @param kinds names: of these kinds when `are_wanted`, else of all others
-- @return rows {id, tenant_id, kind, resource_type, resource_id, mark, attempts (this one counted)}
function M.take(ctx, kinds, are_wanted, limit, lease_s)
  if #kinds == 0 and are_wanted then
    return {}
  end
  local params = { unpack(kinds) }
  params[#params + 1] = limit
  local scope = db.platform(ctx)
  local rows = scope:query([[SELECT id, tenant_id, kind, resource_type, resource_id, mark,
      attempts + 1 AS attempts FROM sla_clocks WHERE wake_at <= NOW(3)]]
    .. (#kinds > 0 and " AND kind " .. (are_wanted and "IN (" or "NOT IN (")
      .. ("?,"):rep(#kinds):sub(1, -2) .. ")" or "")
    .. " ORDER BY wake_at LIMIT ? FOR UPDATE SKIP LOCKED", unpack(params))
  for _, row in ipairs(rows) do
    scope:exec([[UPDATE sla_clocks SET wake_at = NOW(3) + INTERVAL ? SECOND,
      attempts = attempts + 1 WHERE id = ?]], lease_s, row.id)
  end
  return rows
end

--- Notes that a step failed, and when it is tried again; unless somebody has taken it meanwhile.
function M.put_off(ctx, taken, delay_s, problem)
  db.platform(ctx):exec([[UPDATE sla_clocks SET wake_at = NOW(3) + INTERVAL ? SECOND,
      last_error = ? WHERE id = ? AND mark = ? AND attempts = ? AND wake_at IS NOT NULL]],
    delay_s, problem, taken.id, taken.mark, taken.attempts)
end

--- Puts a step off that was not tried at all.
function M.postpone(ctx, taken, delay_s)
  db.platform(ctx):exec([[UPDATE sla_clocks SET wake_at = NOW(3) + INTERVAL ? SECOND,
      attempts = attempts - 1 WHERE id = ? AND mark = ? AND attempts = ? AND wake_at IS NOT NULL]],
    delay_s, taken.id, taken.mark, taken.attempts)
end

--- How many clocks are due and for how many seconds the first of them: {due, oldest_s}.
function M.find_backlog(ctx)
  return db.platform(ctx):one([[SELECT COUNT(*) AS due,
      COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, wake_at, NOW(3))), 0) / 1000000 AS oldest_s
    FROM sla_clocks WHERE wake_at <= NOW(3)]])
end

return M
