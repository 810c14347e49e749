-- SQL of reports. Rows come back with their JSON columns decoded; times are ISO text both ways.

local db = require("core.db")
local json = require("core.json")
local rows = require("core.rows")
local time = require("core.time")
local uuid = require("core.uuid")
local geo = require("plugins.reports.rules.geo")

local M = {}

local COLUMNS = [[r.id, r.reporter_id, r.reporter_contact, r.tracking_code, r.title, r.description,
  r.category, r.severity_level, r.status, r.location_description, r.latitude, r.longitude,
  r.location_accuracy, r.source, r.tags, r.metadata, r.duplicate_of, r.sla_due_at, r.version,
  r.created_at, r.updated_at, r.resolved_at,
  FIELD(r.severity_level, 'low', 'medium', 'high', 'critical') AS severity_rank]]

-- Metres on the plane that touches the globe at the first position: good to a millimetre in the
-- few kilometres asked for, and cheap. Parameters: latitude, longitude, latitude.
local DISTANCE = [[(SQRT(POW(r.latitude - ?, 2)
  + POW((r.longitude - ?) * COS(RADIANS(?)), 2)) * 111195.08)]]

local decode, decode_all = rows.decoder({ "tags", "metadata" })

-- A WHERE clause as it grows, with its parameters in step.
local function new_where()
  return { parts = {}, params = {} }
end

local function add_params(where, ...)
  for i = 1, select("#", ...) do
    where.params[#where.params + 1] = (select(i, ...))
  end
end

local function add(where, sql, ...)
  where.parts[#where.parts + 1] = sql
  add_params(where, ...)
end

local function add_set(where, column, values)
  if values and #values > 0 then
    add(where, column .. " IN (" .. ("?,"):rep(#values):sub(1, -2) .. ")", unpack(values))
  end
end

local function add_box(where, box)
  local cells = geo.cover(box)
  if #cells > 0 then
    local ranges, bounds = {}, {}
    for _, cell in ipairs(cells) do
      ranges[#ranges + 1] = "r.cell BETWEEN ? AND ?"
      bounds[#bounds + 1] = cell
      bounds[#bounds + 1] = cell .. "~" -- above every letter of a geohash
    end
    add(where, "(" .. table.concat(ranges, " OR ") .. ")", unpack(bounds))
  end
  add(where, "r.latitude BETWEEN ? AND ?", box.south, box.north)
  add(where, "r.longitude BETWEEN ? AND ?", box.west, box.east)
end

local function escape_like(word)
  return (word:gsub("[\\%%_]", "\\%0"))
end

local function build(where)
  return table.concat(where.parts, " AND ")
end

-- `filters` are named as in the schema's list filters; box and near are already tables.
local function filtered(filters)
  local where = new_where()
  add(where, "r.tenant_id = :tenant AND r.deleted_at IS NULL")
  add_set(where, "r.status", filters.status)
  add_set(where, "r.severity_level", filters.severity)
  add_set(where, "r.category", filters.category)
  if filters.tag then
    add(where, "JSON_CONTAINS(r.tags, JSON_QUOTE(?))", filters.tag)
  end
  if filters.reporter then
    add(where, "r.reporter_id = ?", filters.reporter)
  end
  if filters.only_of then
    add(where, "r.reporter_id = ?", filters.only_of)
  end
  if filters.created_from then
    add(where, "r.created_at >= ?", time.db(filters.created_from))
  end
  if filters.created_to then
    add(where, "r.created_at <= ?", time.db(filters.created_to))
  end
  if filters.overdue ~= nil then
    add(where, (filters.overdue and "" or "NOT ") .. [[(r.sla_due_at IS NOT NULL
      AND r.sla_due_at < NOW(3) AND r.status NOT IN ('resolved','closed','rejected','duplicate'))]])
  end
  if filters.box then
    add_box(where, filters.box)
  end
  if filters.near then
    local near = filters.near
    add_box(where, geo.box_around(near.latitude, near.longitude, near.radius))
    add(where, DISTANCE .. " <= ?", near.latitude, near.longitude, near.latitude, near.radius)
  end
  for _, chosen in ipairs(filters.chosen or {}) do
    add(where, "r.id IN (" .. chosen.sql .. ")", unpack(chosen.params))
  end
  for _, word in ipairs(filters.words or {}) do
    local like = "%" .. escape_like(word) .. "%"
    add(where, "(r.title LIKE ? OR r.description LIKE ? OR r.location_description LIKE ?)",
      like, like, like)
  end
  return where
end

--- Inserts a report; `row` names its columns. Raises CONFLICT with key reports_tracking_code
-- when the code is taken.
function M.insert(ctx, row)
  local cell = row.latitude and geo.encode(row.latitude, row.longitude) or nil
  db.scope(ctx):exec([[INSERT INTO reports (id, tenant_id, reporter_id, reporter_contact,
      tracking_code, title, description, category, severity_level, status, location_description,
      latitude, longitude, location_accuracy, cell, source, tags, metadata, sla_due_at,
      created_at, updated_at)
    VALUES (?, :tenant, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)]],
    row.id, row.reporter_id, row.reporter_contact, row.tracking_code, row.title, row.description,
    row.category, row.severity_level, row.status, row.location_description, row.latitude,
    row.longitude, row.location_accuracy, cell, row.source, json.encode(row.tags),
    json.encode(row.metadata), time.db(row.sla_due_at), time.db(row.created_at),
    time.db(row.created_at))
end

--- Returns the living report of that id, or nil. `lock` keeps it from changing until the
-- transaction ends.
function M.get(ctx, id, lock)
  return decode(db.scope(ctx):one("SELECT " .. COLUMNS .. [[ FROM reports r
    WHERE r.tenant_id = :tenant AND r.id = ? AND r.deleted_at IS NULL]]
    .. (lock and " FOR UPDATE" or ""), id))
end

-- What a sort key of a list means; see core.paging.
M.SORTS = {
  createdAt = "r.created_at",
  updatedAt = "r.updated_at",
  severity = { sql = "FIELD(r.severity_level, 'low', 'medium', 'high', 'critical')",
    key = "severity_rank" },
  status = "r.status",
  title = "r.title",
  slaDueAt = { sql = "r.sla_due_at", key = "sla_due_at", nullable = true },
}

--- Returns the living reports of one page of a list.
-- @param filters as list.lua makes them: sets, times, box, near, words, and `chosen`, a list of
--   {sql, params} that each select ids of reports
-- @param page what paging.read returned
function M.list(ctx, filters, page)
  local where = filtered(filters)
  add(where, page.condition, unpack(page.params))
  add_params(where, page.fetch, page.offset)
  return decode_all(db.scope(ctx):query("SELECT " .. COLUMNS .. " FROM reports r WHERE "
    .. build(where) .. " ORDER BY " .. page.order .. " LIMIT ? OFFSET ?", unpack(where.params)))
end

--- Returns the number of reports that the filters let through.
function M.count(ctx, filters)
  local where = filtered(filters)
  return db.scope(ctx):one("SELECT COUNT(*) AS n FROM reports r WHERE " .. build(where),
    unpack(where.params)).n
end

--- Writes the changed words and place of a locked report. `row` is the whole new row.
function M.update(ctx, row)
  local cell = row.latitude and geo.encode(row.latitude, row.longitude) or nil
  db.scope(ctx):exec([[UPDATE reports SET title = ?, description = ?, category = ?,
      severity_level = ?, location_description = ?, latitude = ?, longitude = ?,
      location_accuracy = ?, cell = ?, tags = ?, metadata = ?, sla_due_at = ?, updated_at = ?,
      version = version + 1
    WHERE tenant_id = :tenant AND id = ?]],
    row.title, row.description, row.category, row.severity_level, row.location_description,
    row.latitude, row.longitude, row.location_accuracy, cell, json.encode(row.tags),
    json.encode(row.metadata), time.db(row.sla_due_at), time.db(row.updated_at), row.id)
end

--- Writes the status of a locked report, and what comes with it.
function M.set_status(ctx, row)
  db.scope(ctx):exec([[UPDATE reports SET status = ?, duplicate_of = ?, resolved_at = ?,
      updated_at = ?, version = version + 1 WHERE tenant_id = :tenant AND id = ?]],
    row.status, row.duplicate_of, time.db(row.resolved_at), time.db(row.updated_at), row.id)
end

--- Locks the living duplicates of a report until the transaction ends, and returns them.
function M.lock_duplicates(ctx, id)
  return decode_all(db.scope(ctx):query("SELECT " .. COLUMNS .. [[ FROM reports r
    WHERE r.tenant_id = :tenant AND r.duplicate_of = ? AND r.deleted_at IS NULL
    ORDER BY r.id FOR UPDATE]], id))
end

--- Returns the id of the newest living report of that title, or nil.
function M.find_by_title(ctx, title)
  local row = db.scope(ctx):one([[SELECT id FROM reports WHERE tenant_id = :tenant AND title = ?
    AND deleted_at IS NULL ORDER BY id DESC LIMIT 1]], title)
  return row and row.id
end

--- Marks a report as deleted.
function M.delete(ctx, id, at)
  db.scope(ctx):exec([[UPDATE reports SET deleted_at = ?, updated_at = ?, version = version + 1
    WHERE tenant_id = :tenant AND id = ?]], time.db(at), time.db(at), id)
end

--- Appends a line to the history.
function M.add_history(ctx, change)
  db.scope(ctx):exec([[INSERT INTO report_status_history
      (id, tenant_id, report_id, from_status, to_status, reason, changed_by, created_at)
    VALUES (?, :tenant, ?, ?, ?, ?, ?, ?)]],
    uuid.v7(), change.report_id, change.from_status, change.to_status, change.reason,
    change.changed_by, time.db(change.created_at))
end

--- Returns the history of a report, oldest first.
function M.get_history(ctx, report_id)
  return db.scope(ctx):query([[SELECT id, from_status, to_status, reason, changed_by, created_at
    FROM report_status_history WHERE tenant_id = :tenant AND report_id = ? ORDER BY id]], report_id)
end

--- Returns living reports around a position, nearest first, each with `distance` in metres.
-- @param options {radius, limit, category|nil, created_from|nil, hidden = statuses left out}
function M.find_near(ctx, latitude, longitude, options)
  local where = filtered({
    category = options.category and { options.category },
    created_from = options.created_from,
    near = { latitude = latitude, longitude = longitude, radius = options.radius },
  })
  for _, status in ipairs(options.hidden or {}) do
    add(where, "r.status <> ?", status)
  end
  add_params(where, options.limit)
  return decode_all(db.scope(ctx):query("SELECT " .. COLUMNS .. ", " .. DISTANCE .. [[ AS distance
    FROM reports r WHERE ]] .. build(where) .. " ORDER BY distance LIMIT ?",
    latitude, longitude, latitude, unpack(where.params)))
end

--- Returns the newest living reports since a time.
function M.find_recent(ctx, since, limit)
  return decode_all(db.scope(ctx):query("SELECT " .. COLUMNS .. [[ FROM reports r
    WHERE r.tenant_id = :tenant AND r.created_at >= ? AND r.deleted_at IS NULL
    ORDER BY r.created_at DESC LIMIT ?]], time.db(since), limit))
end

return M
