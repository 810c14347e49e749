-- SQL of work orders, their numbers and histories. Rows come back with JSON columns decoded;
-- times are ISO text both ways.

local db = require("core.db")
local json = require("core.json")
local rows = require("core.rows")
local time = require("core.time")
local uuid = require("core.uuid")
local words = require("core.words")

local M = {}

-- The names of people come with the row: a list of work orders is one query.
local COLUMNS = [[w.id, w.number, w.report_id, w.assigned_to, w.team_id, w.assigned_at,
  w.assigned_by, w.created_by, w.title, w.description, w.priority, w.status, w.held_from,
  w.location_description, w.latitude, w.longitude, w.scheduled_start, w.scheduled_end,
  w.schedule_status, w.estimated_minutes, w.minutes_spent, w.completion_notes, w.sla_due_at,
  w.workflow_release, w.checklist, w.metadata, w.version, w.created_at, w.updated_at,
  w.completed_at,
  FIELD(w.priority, 'low', 'normal', 'high', 'urgent') AS priority_rank,
  CONCAT_WS(' ', u.first_name, u.last_name) AS assignee_name, t.name AS team_name]]

local JOINS = [[ FROM work_orders w
  LEFT JOIN users u ON u.id = w.assigned_to
  LEFT JOIN teams t ON t.tenant_id = :tenant AND t.id = w.team_id ]]

local LIVING = " WHERE w.tenant_id = :tenant AND w.deleted_at IS NULL "

local decode, decode_all = rows.decoder({ "checklist", "metadata" }, function(row)
  row.assigned_at_ms = row.assigned_at and time.parse(row.assigned_at)
end)
local _, decode_history = rows.decoder({ "details" })

--- Returns the next number of the year. Holds the counter's lock to the end of the transaction:
-- call it last, when nothing but inserts is left to do.
function M.next_number(ctx, year)
  local scope = db.scope(ctx)
  scope:exec([[INSERT INTO work_order_counters (tenant_id, year, last_number)
    VALUES (:tenant, ?, 1) ON DUPLICATE KEY UPDATE last_number = last_number + 1]], year)
  return scope:one([[SELECT last_number FROM work_order_counters
    WHERE tenant_id = :tenant AND year = ?]], year).last_number
end

--- Inserts a work order; `row` names its columns.
function M.insert(ctx, row)
  db.scope(ctx):exec([[INSERT INTO work_orders (id, tenant_id, number, report_id, created_by, title,
      description, priority, status, location_description, latitude, longitude, estimated_minutes,
      sla_due_at, workflow_release, checklist, metadata, created_at, updated_at)
    VALUES (?, :tenant, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)]],
    row.id, row.number, row.report_id, row.created_by, row.title, row.description, row.priority,
    row.status, row.location_description, row.latitude, row.longitude, row.estimated_minutes,
    time.db(row.sla_due_at), row.workflow_release, json.encode(row.checklist),
    json.encode(row.metadata),
    time.db(row.created_at), time.db(row.created_at))
end

--- Returns the living work order of that id, or nil.
function M.get(ctx, id)
  return decode(db.scope(ctx):one("SELECT " .. COLUMNS .. JOINS .. LIVING .. "AND w.id = ?", id))
end

--- Locks the living work order of that id until the transaction ends, and returns it, or nil.
-- The lock is taken apart from the read: a joined FOR UPDATE would lock people and teams too.
function M.lock(ctx, id)
  local found = db.scope(ctx):one([[SELECT w.id FROM work_orders w
    WHERE w.tenant_id = :tenant AND w.id = ? AND w.deleted_at IS NULL FOR UPDATE]], id)
  return found and M.get(ctx, id)
end

local EDITABLE = {
  "title", "description", "priority", "status", "held_from", "assigned_to", "team_id",
  "assigned_at", "assigned_by", "location_description", "latitude", "longitude",
  "estimated_minutes", "minutes_spent", "completion_notes", "completed_at", "deleted_at",
  "sla_due_at",
}

--- Writes a locked work order as it is in `row` (checklist and metadata decoded).
function M.update(ctx, row)
  local sets, params, n = {}, {}, #EDITABLE
  for i, column in ipairs(EDITABLE) do
    sets[i] = column .. " = ?"
    params[i] = row[column]
    if column:find("_at$") then
      params[i] = time.db(row[column])
    end
  end
  params[n + 1] = json.encode(row.checklist)
  params[n + 2] = json.encode(row.metadata)
  params[n + 3] = time.db(time.now_ms())
  params[n + 4] = row.id
  db.scope(ctx):exec("UPDATE work_orders SET " .. table.concat(sets, ", ")
    .. ", checklist = ?, metadata = ?, updated_at = ?, version = version + 1 "
    .. "WHERE tenant_id = :tenant AND id = ?", unpack(params, 1, n + 4))
end

-- What a list asks for, as SQL and parameters. `mine` limits it to a person and their teams.
local function filtered(filters)
  local parts, params = {}, {}
  local function add(sql, ...)
    parts[#parts + 1] = "AND " .. sql
    for i = 1, select("#", ...) do
      params[#params + 1] = (select(i, ...))
    end
  end
  local function add_set(column, values)
    if values and #values > 0 then
      add(column .. " IN (" .. ("?,"):rep(#values):sub(1, -2) .. ")", unpack(values))
    end
  end
  add_set("w.status", filters.status)
  add_set("w.priority", filters.priority)
  if filters.assignee then
    add("w.assigned_to = ?", filters.assignee)
  end
  if filters.team then
    add("w.team_id = ?", filters.team)
  end
  if filters.reportId then
    add("w.report_id = ?", filters.reportId)
  end
  if filters.createdFrom then
    add("w.created_at >= ?", time.db(filters.createdFrom))
  end
  if filters.createdTo then
    add("w.created_at <= ?", time.db(filters.createdTo))
  end
  for _, word in ipairs(filters.words or {}) do
    local pattern = words.pattern(word)
    add("(w.title LIKE ? OR w.description LIKE ? OR w.location_description LIKE ? "
      .. "OR w.number LIKE ?)", pattern, pattern, pattern, pattern)
  end
  if filters.overdue ~= nil then
    add((filters.overdue and "" or "NOT ") .. [[(w.sla_due_at IS NOT NULL
      AND w.sla_due_at < NOW(3) AND w.status NOT IN ('completed', 'verified', 'cancelled'))]])
  end
  if filters.mine then
    local teams = filters.mine.team_ids
    if #teams == 0 then
      add("w.assigned_to = ?", filters.mine.user_id)
    else
      add("(w.assigned_to = ? OR w.team_id IN (" .. ("?,"):rep(#teams):sub(1, -2) .. "))",
        filters.mine.user_id, unpack(teams))
    end
  end
  return table.concat(parts, " "), params
end

-- What a sort key of a list means; see core.paging.
M.SORTS = {
  createdAt = "w.created_at",
  updatedAt = "w.updated_at",
  priority = { sql = "FIELD(w.priority, 'low', 'normal', 'high', 'urgent')",
    key = "priority_rank" },
  status = "w.status",
  number = "w.number",
}

--- Returns the living work orders of one page of a list.
-- @param page what paging.read returned
function M.list(ctx, filters, page)
  local sql, params = filtered(filters)
  for _, value in ipairs(page.params) do
    params[#params + 1] = value
  end
  params[#params + 1] = page.fetch
  params[#params + 1] = page.offset
  return decode_all(db.scope(ctx):query("SELECT " .. COLUMNS .. JOINS .. LIVING .. sql .. " AND "
    .. page.condition .. " ORDER BY " .. page.order .. " LIMIT ? OFFSET ?", unpack(params)))
end

--- Returns the number of work orders that the filters let through.
function M.count(ctx, filters)
  local sql, params = filtered(filters)
  return db.scope(ctx):one("SELECT COUNT(*) AS n FROM work_orders w" .. LIVING .. sql,
    unpack(params)).n
end

local GROUPS = {
  status = "w.status",
  priority = "w.priority",
  team = "t.name",
  assignee = "CONCAT_WS(' ', u.first_name, u.last_name)",
}
local GROUPS_MAX = 200

--- Returns the number of work orders of each status, priority, team or assignee: {name, count}
-- each, the largest first; without a name those that have none.
function M.count_by(ctx, filters, group)
  local sql, params = filtered(filters)
  params[#params + 1] = GROUPS_MAX
  return db.scope(ctx):query("SELECT NULLIF(" .. GROUPS[group] .. ", '') AS name, COUNT(*) AS count"
    .. JOINS .. LIVING .. sql .. " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?", unpack(params))
end

--- Returns the number of work orders by status: {pending = 3, ...}.
function M.count_by_status(ctx, filters)
  local sql, params = filtered(filters)
  local counts = {}
  for _, row in ipairs(db.scope(ctx):query("SELECT w.status, COUNT(*) AS n FROM work_orders w"
    .. LIVING .. sql .. " GROUP BY w.status", unpack(params))) do
    counts[row.status] = row.n
  end
  return counts
end

--- Returns the statuses of the living work orders of a report, but for one of them.
function M.statuses_of_report(ctx, report_id, without_id)
  local statuses = {}
  for i, row in ipairs(db.scope(ctx):query("SELECT w.status FROM work_orders w" .. LIVING
    .. "AND w.report_id = ? AND w.id <> ?", report_id, without_id)) do
    statuses[i] = row.status
  end
  return statuses
end

--- Returns the living work orders of these reports (at most a page of them), oldest first; of
-- each report the first hundred.
function M.find_by_reports(ctx, report_ids)
  return decode_all(db.scope(ctx):query("SELECT " .. COLUMNS .. JOINS .. LIVING
    .. [[AND w.id IN (SELECT ranked.id FROM (
        SELECT o.id, ROW_NUMBER() OVER (PARTITION BY o.report_id ORDER BY o.id) AS place
        FROM work_orders o WHERE o.tenant_id = :tenant AND o.deleted_at IS NULL
          AND o.report_id IN (]] .. ("?,"):rep(#report_ids):sub(1, -2) .. [[)) AS ranked
      WHERE ranked.place <= 100) ORDER BY w.id]], unpack(report_ids)))
end

--- Returns SQL that is true when the report of that SQL expression has a work order.
function M.exists_for_report(report_id)
  return "EXISTS (SELECT 1 FROM work_orders w USE INDEX (work_orders_report)"
    .. " WHERE w.tenant_id = :tenant AND w.report_id = " .. report_id
    .. " AND w.deleted_at IS NULL)"
end

--- Returns SQL of the name of the team that has the latest work on the report of that SQL
-- expression.
function M.team_of_report(report_id)
  return [[(SELECT t.name FROM work_orders w
    JOIN teams t ON t.tenant_id = :tenant AND t.id = w.team_id
    WHERE w.tenant_id = :tenant AND w.report_id = ]] .. report_id
    .. " AND w.deleted_at IS NULL ORDER BY w.id DESC LIMIT 1)"
end

--- Returns SQL that selects the reports on which a person has a work order, and its parameters.
function M.select_reports_of(user_id)
  return [[SELECT w.report_id FROM work_orders w WHERE w.tenant_id = :tenant AND w.assigned_to = ?
    AND w.status <> 'cancelled' AND w.deleted_at IS NULL]], { user_id }
end

--- Appends a line to the history.
function M.add_history(ctx, change)
  db.scope(ctx):exec([[INSERT INTO work_order_history (id, tenant_id, work_order_id, action,
      from_status, to_status, reason, details, changed_by, created_at)
    VALUES (?, :tenant, ?, ?, ?, ?, ?, ?, ?, ?)]],
    uuid.v7(), change.work_order_id, change.action, change.from_status, change.to_status,
    change.reason, json.encode(change.details or {}), change.changed_by, time.db(time.now_ms()))
end

--- Returns the steps that were taken as the time of these work orders ran out, oldest first:
-- {work_order_id, details, created_at} each.
function M.list_escalations(ctx, ids)
  if #ids == 0 then
    return {}
  end
  return decode_history(db.scope(ctx):query([[SELECT h.work_order_id, h.details, h.created_at
    FROM work_order_history h WHERE h.tenant_id = :tenant AND h.action = 'escalate'
      AND h.work_order_id IN (]] .. ("?,"):rep(#ids):sub(1, -2) .. ") ORDER BY h.id", unpack(ids)))
end

--- Returns the history of a work order, oldest first.
function M.get_history(ctx, id)
  return decode_history(db.scope(ctx):query([[SELECT h.id, h.action, h.from_status, h.to_status,
      h.reason, h.details, h.changed_by, h.created_at,
      CONCAT_WS(' ', u.first_name, u.last_name) AS changed_by_name
    FROM work_order_history h LEFT JOIN users u ON u.id = h.changed_by
    WHERE h.tenant_id = :tenant AND h.work_order_id = ? ORDER BY h.id]], id))
end

return M
