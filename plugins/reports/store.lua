-- SQL of reports. Rows come back with their JSON columns decoded; times are ISO text both ways.

local db = require("core.db")
local json = require("core.json")
local rows = require("core.rows")
local time = require("core.time")
local uuid = require("core.uuid")
local words = require("core.words")
local files = require("services.files")
local geo = require("plugins.reports.rules.geo")

local M = {}

local COLUMNS = [[r.id, r.reporter_id, r.reporter_contact, r.tracking_code, r.title, r.description,
  r.category, r.severity_level, r.status, r.location_description, r.latitude, r.longitude,
  r.location_accuracy, r.source, r.tags, r.metadata, r.duplicate_of, r.sla_due_at,
  r.workflow_release, r.version, r.created_at, r.updated_at, r.resolved_at,
  FIELD(r.severity_level, 'low', 'medium', 'high', 'critical') AS severity_rank]]

-- Metres on the plane that touches the globe at the first position: good to a millimetre in the
-- few kilometres asked for, and cheap. Parameters: latitude, longitude, latitude.
local DISTANCE = [[(SQRT(POW(r.latitude - ?, 2)
  + POW((r.longitude - ?) * COS(RADIANS(?)), 2)) * 111195.08)]]

local decode, decode_all = rows.decoder({ "tags", "metadata" })

-- A WHERE clause as it grows, with its parameters in step.
local GROUPS_MAX = 200

local function new_where()
  return { parts = {}, params = {} }
end

local function add_params(where, ...)
  local params, given = where.params, { ... }
  for i = 1, select("#", ...) do
    params[#params + 1] = given[i]
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

local ranges = {} -- [number of cells] = SQL

local function ranges_of(count)
  ranges[count] = ranges[count]
    or "(" .. ("r.cell BETWEEN ? AND ? OR "):rep(count):sub(1, -5) .. ")"
  return ranges[count]
end

-- A statement is prepared once for each text that it has: so it has few, whatever the box is. The
-- last cell again changes nothing.
local function add_box(where, box)
  local cells = geo.cover(box)
  if #cells > 0 then
    for i = #cells + 1, 2 ^ math.ceil(math.log(#cells) / math.log(2)) do
      cells[i] = cells[i - 1]
    end
    local params = where.params
    for _, cell in ipairs(cells) do
      params[#params + 1] = cell
      params[#params + 1] = cell .. "~" -- above every letter of a geohash
    end
    add(where, ranges_of(#cells))
  end
  add(where, "r.latitude BETWEEN ? AND ?", box.south, box.north)
  add(where, "r.longitude BETWEEN ? AND ?", box.west, box.east)
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
    local like = words.pattern(word)
    add(where, "(r.title LIKE ? OR r.description LIKE ? OR r.location_description LIKE ?)",
      like, like, like)
  end
  return where
end

--- Inserts a report; `row` names its columns. Raises CONFLICT with key reports_tracking_code
-- when the code is taken.
function M.insert(ctx, row)
  local cell = row.latitude and geo.encode(row.latitude, row.longitude) or nil
  db.scope(ctx):queue([[INSERT INTO reports (id, tenant_id, reporter_id, reporter_contact,
      tracking_code, title, description, category, severity_level, status, location_description,
      latitude, longitude, location_accuracy, cell, source, tags, metadata, sla_due_at,
      workflow_release, created_at, updated_at)
    VALUES (?, :tenant, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)]],
    row.id, row.reporter_id, row.reporter_contact, row.tracking_code, row.title, row.description,
    row.category, row.severity_level, row.status, row.location_description, row.latitude,
    row.longitude, row.location_accuracy, cell, row.source, json.encode(row.tags),
    json.encode(row.metadata), time.db(row.sla_due_at), row.workflow_release,
    time.db(row.created_at), time.db(row.created_at))
end

--- Returns the living report of that id, or nil. `lock` keeps it from changing until the
-- transaction ends.
function M.get(ctx, id, lock)
  return decode(db.scope(ctx):one("SELECT " .. COLUMNS .. [[ FROM reports r
    WHERE r.tenant_id = :tenant AND r.id = ? AND r.deleted_at IS NULL]]
    .. (lock and " FOR UPDATE" or ""), id))
end

local CHANGE = [[h.id AS change_id, h.from_status, h.to_status, h.reason,
  IF(h.to_status = 'rejected', h.reason, NULL) AS public_reason, h.changed_by,
  h.created_at AS changed_at]]

local function show_sql(more, join)
  return "SELECT " .. COLUMNS .. ", 0 AS follower_count, " .. files.select_any("report", "r.id")
    .. " AS has_attachments" .. more .. ", " .. CHANGE .. " FROM reports r " .. join .. [[
    report_status_history h ON h.tenant_id = :tenant AND h.report_id = r.id
    WHERE r.tenant_id = :tenant AND r.id = ? AND r.deleted_at IS NULL ORDER BY h.id]]
end

--- Returns the statements for M.show. `more` is SQL of further columns, each with a comma in front.
function M.show_sql(more)
  -- A report has a history from the first; the outer join, which the server sorts on disk, is for
  -- one that came from elsewhere without.
  return { show_sql(more, "JOIN"), show_sql(more, "LEFT JOIN") }
end

--- The living report of that id with its history, in one statement.
-- @param shape what of it is written, with the history as its lines
-- @param statements what M.show_sql returned
-- @return JSON text, what the shape keeps, the lines of the history; or nil
function M.show(ctx, id, shape, statements)
  for _, sql in ipairs(statements) do
    local text, count, kept, lines = db.scope(ctx):shaped(shape.compiled, 1, sql, id)
    if count > 0 then
      return text, kept, lines
    end
  end
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

local LINE = "SELECT " .. COLUMNS .. ", " .. files.select_cover("report", "r.id")
  .. " AS cover_id FROM reports r WHERE "

--- One page of the living reports, as JSON objects with commas between them.
-- @param filters as list.lua makes them: sets, times, box, near, words, and `chosen`, a list of
--   {sql, params} that each select ids of reports
-- @param page what paging.read returned
-- @param shape what of each is written
-- @return text, the number of rows found, what the shape keeps of the last one written
function M.list(ctx, filters, page, shape)
  local where = filtered(filters)
  add(where, page.condition, unpack(page.params))
  add_params(where, page.fetch, page.offset)
  return db.scope(ctx):shaped(shape.compiled, page.limit, LINE .. build(where) .. " ORDER BY "
    .. page.order .. " LIMIT ? OFFSET ?", unpack(where.params))
end

--- Returns the number of reports that the filters let through.
function M.count(ctx, filters)
  local where = filtered(filters)
  return db.scope(ctx):one("SELECT COUNT(*) AS n FROM reports r WHERE " .. build(where),
    unpack(where.params)).n
end

--- Returns the number of reports of each group: {name, count} each, the largest first; without a
-- name those of none.
-- @param group SQL of a group's name
function M.count_by(ctx, filters, group)
  local where = filtered(filters)
  add_params(where, GROUPS_MAX)
  return db.scope(ctx):query("SELECT " .. group .. " AS name, COUNT(*) AS count"
    .. " FROM reports r WHERE " .. build(where)
    .. " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?", unpack(where.params))
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

--- Writes when a locked report is due.
function M.set_due(ctx, id, due_at, now)
  db.scope(ctx):exec([[UPDATE reports SET sla_due_at = ?, updated_at = ?, version = version + 1
    WHERE tenant_id = :tenant AND id = ?]], time.db(due_at), time.db(now), id)
end

--- Locks the living duplicates of a report until the transaction ends, and returns them.
function M.lock_duplicates(ctx, id)
  return decode_all(db.scope(ctx):query("SELECT " .. COLUMNS .. [[ FROM reports r
    WHERE r.tenant_id = :tenant AND r.duplicate_of = ? AND r.deleted_at IS NULL
    ORDER BY r.id FOR UPDATE]], id))
end

--- Marks a report as deleted.
function M.delete(ctx, id, at)
  db.scope(ctx):exec([[UPDATE reports SET deleted_at = ?, updated_at = ?, version = version + 1
    WHERE tenant_id = :tenant AND id = ?]], time.db(at), time.db(at), id)
end

--- Appends a line to the history.
function M.add_history(ctx, change)
  db.scope(ctx):queue([[INSERT INTO report_status_history
      (id, tenant_id, report_id, from_status, to_status, reason, changed_by, created_at)
    VALUES (?, :tenant, ?, ?, ?, ?, ?, ?)]],
    uuid.v7(), change.report_id, change.from_status, change.to_status, change.reason,
    change.changed_by, time.db(change.created_at))
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

-- What anybody may see of a report: the columns of view.NEAR.
local SHOWN = [[r.id, r.title, r.description, r.category, r.severity_level, r.status,
  r.location_description, r.latitude, r.longitude, r.location_accuracy, r.created_at, r.updated_at,
  r.resolved_at]]

local shown_sql = {} -- [number of ids] = SQL

local function sql_of_shown(count)
  shown_sql[count] = shown_sql[count] or "SELECT " .. SHOWN .. ", ROUND(" .. DISTANCE
    .. ") AS distance FROM reports r WHERE r.tenant_id = :tenant AND r.id IN ("
    .. ("?,"):rep(count):sub(1, -2) .. ") ORDER BY distance IS NULL, distance"
  return shown_sql[count]
end

--- The reports of a few ids as JSON objects with commas between them, nearest first.
-- @param place {latitude, longitude} from which the distance in whole metres is told; may be empty
-- @param shape what of each is written: of what anybody may see
function M.show_all(ctx, ids, place, shape)
  local latitude, longitude = place.latitude or db.null, place.longitude or db.null
  return (db.scope(ctx):shaped(shape.compiled, #ids, sql_of_shown(#ids), latitude, longitude,
    latitude, unpack(ids)))
end

return M
