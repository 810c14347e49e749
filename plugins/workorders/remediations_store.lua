-- SQL of remediations.

local db = require("core.db")
local json = require("core.json")
local rows = require("core.rows")
local time = require("core.time")

local M = {}

local COLUMNS = [[m.id, m.work_order_id, m.performed_by, m.description, m.materials_used,
  m.time_spent, m.completion_date, m.version, m.created_at, m.updated_at]]

local decode, decode_all = rows.decoder({ "materials_used" })

--- Inserts a remediation; `row` names its columns.
function M.insert(ctx, row)
  db.scope(ctx):exec([[INSERT INTO remediations (id, tenant_id, work_order_id, performed_by,
      description, materials_used, time_spent, completion_date)
    VALUES (?, :tenant, ?, ?, ?, ?, ?, ?)]],
    row.id, row.work_order_id, row.performed_by, row.description,
    json.encode(row.materials_used), row.time_spent, time.db(row.completion_date))
end

--- Returns the living remediation of that id, or nil; `lock` holds it to the transaction's end.
function M.get(ctx, id, lock)
  return decode(db.scope(ctx):one("SELECT " .. COLUMNS .. [[ FROM remediations m
    WHERE m.tenant_id = :tenant AND m.id = ? AND m.deleted_at IS NULL]]
    .. (lock and " FOR UPDATE" or ""), id))
end

--- Returns the living remediations of a work order, oldest first.
function M.find_by_order(ctx, work_order_id)
  return decode_all(db.scope(ctx):query("SELECT " .. COLUMNS .. [[ FROM remediations m
    WHERE m.tenant_id = :tenant AND m.work_order_id = ? AND m.deleted_at IS NULL
    ORDER BY m.id LIMIT 100]], work_order_id))
end

--- Writes a locked remediation as it is in `row`.
function M.update(ctx, row)
  db.scope(ctx):exec([[UPDATE remediations SET description = ?, materials_used = ?, time_spent = ?,
      completion_date = ?, updated_at = ?, version = version + 1
    WHERE tenant_id = :tenant AND id = ?]],
    row.description, json.encode(row.materials_used), row.time_spent,
    time.db(row.completion_date), time.db(time.now_ms()), row.id)
end

return M
