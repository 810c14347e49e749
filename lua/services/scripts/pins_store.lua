--- The releases that a plugin's rows are pinned to, so that each goes on by the workflow that it
-- was opened under.

local db = require("core.db")

local M = {}

--- Returns what finds and moves the pins of a table.
-- @param tbl has the columns tenant_id, id, status, deleted_at and workflow_release: the number of
--   a release, or NULL
function M.of(tbl)
  local OUTSIDE = " FROM " .. tbl .. " WHERE tenant_id = :tenant AND deleted_at IS NULL "
    .. "AND NOT workflow_release <=> ? "
  local pins = {}

  --- Returns the releases that rows are pinned to, by their numbers.
  function pins.list(ctx)
    local numbers = {}
    for i, row in ipairs(db.scope(ctx):query("SELECT DISTINCT workflow_release FROM " .. tbl
      .. " WHERE tenant_id = :tenant AND workflow_release IS NOT NULL")) do
      numbers[i] = row.workflow_release
    end
    return numbers
  end

  --- Counts what lives and is not pinned to a release (nil: to any), by status: {status, n} each.
  function pins.count_outside(ctx, number)
    return db.scope(ctx):query("SELECT status, COUNT(*) AS n" .. OUTSIDE
      .. "GROUP BY status ORDER BY status", number)
  end

  --- Returns the ids of those that have a status.
  function pins.list_outside(ctx, status, number, limit)
    local ids = {}
    for i, row in ipairs(db.scope(ctx):query("SELECT id" .. OUTSIDE
      .. "AND status = ? ORDER BY id LIMIT ?", number, status, limit)) do
      ids[i] = row.id
    end
    return ids
  end

  --- Pins one, locked, to a release, or to none.
  function pins.put(ctx, id, number)
    db.scope(ctx):exec("UPDATE " .. tbl
      .. " SET workflow_release = ? WHERE tenant_id = :tenant AND id = ?", number, id)
  end

  --- Pins those that have one of these statuses. Returns how many.
  function pins.put_all(ctx, statuses, number)
    local count = #statuses
    local params = { number or db.null, unpack(statuses) }
    params[count + 2] = number
    return db.scope(ctx):exec("UPDATE " .. tbl .. " SET workflow_release = ? "
      .. "WHERE tenant_id = :tenant AND deleted_at IS NULL AND status IN ("
      .. ("?,"):rep(count):sub(1, -2) .. ") AND NOT workflow_release <=> ?",
      unpack(params, 1, count + 2)).affected
  end

  return pins
end

return M
