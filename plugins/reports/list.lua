-- The list of reports: who sees which, filters, sort, pages, sparse fields, what is included.

local errors = require("core.errors")
local json = require("core.json")
local paging = require("core.paging")
local s = require("core.schema")
local words = require("core.words")
local files = require("services.files")
local access = require("plugins.reports.rules.access")
local extensions = require("plugins.reports.extensions")
local schema = require("plugins.reports.schema")
local store = require("plugins.reports.store")
local view = require("plugins.reports.rules.view")
local workflow = require("plugins.reports.workflow")

local M = {}

local SORTS = { "createdAt", "updatedAt", "severity", "status", "title", "slaDueAt" }
local ATTACHMENTS = "attachments"

local filters = { fields = s.list({ of = s.enum(view.LIST_FIELDS), optional = true }) }
for name, filter in pairs(schema.list_filters) do
  filters[name] = filter
end

M.query = paging.query_schema({ sorts = SORTS, filters = filters, check = schema.check_list })

--- Checks what depends on the plugins that are loaded. Called with the other checks of the input.
function M.check(ctx, input, problem)
  local query = input.query or {}
  for _, status in ipairs(type(query.status) == "table" and query.status or {}) do
    if not workflow.knows(ctx, status) then
      problem("status", "enum", "must be of the report's states")
      break
    end
  end
  if query.assignee and not extensions.has_filter("assignee") then
    problem("assignee", "unknown", "is not known")
  end
  for _, name in ipairs(query.include or {}) do
    if name ~= ATTACHMENTS and not extensions.has_section(name) then
      problem("include", "enum", "must be of "
        .. table.concat({ ATTACHMENTS, unpack(extensions.section_names()) }, ", "))
      return
    end
  end
end

-- What is done about a report is for staff.
local function check_rights(person, query)
  local asks = query.assignee ~= nil
  for _, name in ipairs(query.include or {}) do
    asks = asks or name ~= ATTACHMENTS
  end
  if asks and not person.reads_all then
    errors.raise("FORBIDDEN", "Asking for the work on reports needs reports.read")
  end
end

-- The query as the store wants it. Those who do not read all reports get their own.
local function filters_of(person, query)
  local box = query.bbox and schema.numbers(query.bbox, 4)
  local near = query.near and schema.numbers(query.near, 2)
  return {
    status = query.status,
    severity = query.severity,
    category = query.category,
    tag = query.tag,
    reporter = query.reporter,
    created_from = query.createdFrom,
    created_to = query.createdTo,
    overdue = query.overdue,
    words = words.of(query.q),
    box = box and { west = box[1], south = box[2], east = box[3], north = box[4] },
    near = near and { latitude = near[1], longitude = near[2], radius = query.radius },
    chosen = query.assignee and { extensions.choose("assignee", query.assignee) },
    only_of = not person.reads_all and person.user_id or nil,
  }
end

-- The shape of a line with these fields. Few combinations are ever asked for.
local SHAPES_MAX = 100
local everything = view.list_shape()
local shapes, shape_count = {}, 0

local function shape_of(names)
  if not names then
    return everything
  end
  local wanted = { id = true }
  for _, name in ipairs(names) do
    wanted[name] = true
  end
  local key = {}
  for name in pairs(wanted) do
    key[#key + 1] = name
  end
  table.sort(key)
  key = table.concat(key, ",")
  if not shapes[key] then
    if shape_count >= SHAPES_MAX then
      shapes, shape_count = {}, 0
    end
    shapes[key], shape_count = view.list_shape(wanted), shape_count + 1
  end
  return shapes[key]
end

-- {name = {report id = value}}: one query for each, however many reports there are.
local function read_included(ctx, names, ids)
  local included = {}
  for _, name in ipairs(names) do
    if name == ATTACHMENTS then
      included[name] = files.list_all(ctx, "report", ids)
    else
      included[name] = extensions.read_section(ctx, name, ids)
    end
  end
  return included
end

-- The lines with what the query includes.
local function with_included(ctx, lines, names)
  local rows, ids = json.decode(lines), {}
  for i, row in ipairs(rows) do
    ids[i] = row.id
  end
  for name, values in pairs(read_included(ctx, names, ids)) do
    for _, row in ipairs(rows) do
      row[name] = values[row.id]
    end
  end
  return rows
end

--- Returns one page of reports and its meta.
-- @param query as M.query cleans it
function M.find(ctx, query)
  local person = access.person(ctx)
  check_rights(person, query)
  local page = paging.read(ctx, query, { columns = store.SORTS, id = "r.id",
    default = "-createdAt" })
  local wanted = filters_of(person, query)
  local text, count, last = store.list(ctx, wanted, page, shape_of(query.fields))
  local meta = paging.meta_after(page, count, last, page.page and store.count(ctx, wanted))
  if query.include then
    return with_included(ctx, "[" .. text .. "]", query.include), meta
  end
  return json.raw("[", text, "]"), meta -- put together as it is written: it is long
end

-- By what reports can be counted; plugins add to it.
local GROUPS = { status = "r.status", category = "r.category", severity = "r.severity_level" }

local function group_of(name)
  local sql = GROUPS[name] or extensions.select_group(name, "r.id")
  if not sql then
    errors.validation({ { field = "by", code = "enum",
      message = "must be one of status, category, severity, team" } })
  end
  return sql
end

--- Returns how many reports there are.
-- @param query filters as M.query cleans them
-- @param by status, category, severity, or what a plugin knows; nil: all in one
-- @return the number; with `by` a list of {name (nil: none), count}, the largest first
function M.count(ctx, query, by)
  local person = access.person(ctx)
  check_rights(person, query)
  local wanted = filters_of(person, query)
  if not by then
    return store.count(ctx, wanted)
  end
  local counts = json.array({})
  for i, row in ipairs(store.count_by(ctx, wanted, group_of(by))) do
    counts[i] = { name = row.name, count = row.count }
  end
  return counts
end

return M
