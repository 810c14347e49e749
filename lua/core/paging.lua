-- Lists: limit, sort, and either a cursor (the default; stable under inserts) or a page number.
--
--   local LIST = paging.query_schema({ sorts = { "createdAt", "title" }, filters = {...} })
--   local page = paging.read(ctx, input.query, {
--     columns = { createdAt = "r.created_at", title = "r.title" }, id = "r.id",
--     default = "-createdAt" })
--   SELECT ... WHERE r.tenant_id = :tenant AND <page.condition> ORDER BY <page.order>
--     LIMIT ? OFFSET ?         with the parameters of page.params, then page.fetch, page.offset
--   local meta = paging.meta(page, rows, total)     (takes the surplus row off `rows`)
--
-- A cursor holds the sort values of the last row; the condition asks for what comes after it.

local cursor = require("core.cursor")
local errors = require("core.errors")
local json = require("core.json")
local s = require("core.schema")
local time = require("core.time")

local M = {}

local LIMIT, LIMIT_MAX = 20, 100
local PAGE_MAX = 100000

local function split_sort(text)
  local list = {}
  for entry in text:gmatch("[^,]+") do
    local minus, name = entry:match("^(%-?)(.*)$")
    list[#list + 1] = { name = name, descending = minus == "-" }
  end
  return list
end

local function check_sort(sort, known, sorts, problem)
  local entries, named = sort and split_sort(sort), {}
  if entries and #entries == 0 then
    problem("sort", "format", "must name a field")
  end
  for _, entry in ipairs(entries or {}) do
    if not known[entry.name] then
      problem("sort", "enum", "must be one of " .. table.concat(sorts, ", "))
    elseif named[entry.name] then
      problem("sort", "duplicate", "must name a field once")
    end
    named[entry.name] = true
  end
end

--- The schema of a list's query.
-- @param options { sorts = names that sort= may use, filters = {name = schema}, check = rule }
function M.query_schema(options)
  local sorts = options.sorts or {}
  local fields = {
    limit = s.integer({ min = 1, max = LIMIT_MAX, default = LIMIT }),
    cursor = s.string({ max = 2048, optional = true }),
    page = s.integer({ min = 1, max = PAGE_MAX, optional = true }),
  }
  local known = {}
  for _, name in ipairs(sorts) do
    known[name] = true
  end
  if #sorts > 0 then
    fields.sort = s.string({ min = 1, max = 200, optional = true,
      describe = "comma-separated, - for descending: " .. table.concat(sorts, ", ") })
  end
  for name, filter in pairs(options.filters or {}) do
    fields[name] = filter
  end
  return s.object(fields, {
    check = function(query, problem)
      check_sort(query.sort, known, sorts, problem)
      if query.cursor and query.page then
        problem("cursor", "conflict", "and page exclude each other")
      end
      if options.check then
        options.check(query, problem)
      end
    end,
  })
end

-- A row's key for an SQL expression: what follows the dot, unless the caller names it.
local function column_of(described)
  if type(described) == "table" then
    return described
  end
  return { sql = described, key = described:match("([%w_]+)$") }
end

-- Times are told by the name of the column: a title may look like one.
local function comparable(column, value)
  return column.key:find("_at$") and time.db(value) or value
end

-- SQL that holds for rows after `value` in the order of one column. MariaDB sorts NULL first.
local function after(column, value, params)
  if value == json.null then
    return column.descending and "FALSE" or column.sql .. " IS NOT NULL"
  end
  params[#params + 1] = comparable(column, value)
  if not column.descending then
    return column.sql .. " > ?"
  elseif column.nullable then
    return ("(%s < ? OR %s IS NULL)"):format(column.sql, column.sql)
  end
  return column.sql .. " < ?"
end

local function same(column, value, params)
  if value == json.null then
    return column.sql .. " IS NULL"
  end
  params[#params + 1] = comparable(column, value)
  return column.sql .. " = ?"
end

-- a after x OR (a = x AND (b after y OR (...)))
local function keyset(columns, values, index, params)
  local first = after(columns[index], values[index], params)
  if index == #columns then
    return first
  end
  local equal = same(columns[index], values[index], params)
  return ("(%s OR (%s AND %s))"):format(first, equal, keyset(columns, values, index + 1, params))
end

local function refuse_cursor()
  errors.validation({ { field = "cursor", code = "format",
    message = "belongs to another list, or to one that was sorted in another way" } })
end

-- What a cursor is good for: one list of one tenant.
local function place_of(ctx)
  return ctx and (ctx.path or "") .. " " .. (ctx.tenant and ctx.tenant.id or "") or ""
end

--- Turns a validated query into what the statement needs.
-- @param options { columns = {sort name = SQL expression or {sql=, key = in the row, nullable=}},
--   id = SQL expression that makes the order total, default = sort used without one }; a key that
--   ends in _at is a time
-- @return { limit, page|nil, fetch, offset, condition ("TRUE" at the start), params, order, ... }
function M.read(ctx, query, options)
  local sort = query.sort or options.default or ""
  local columns = {}
  for _, entry in ipairs(split_sort(sort)) do
    local described = column_of(options.columns[entry.name])
    columns[#columns + 1] = { sql = described.sql, key = described.key,
      nullable = described.nullable, descending = entry.descending }
  end
  local id = column_of(options.id)
  columns[#columns + 1] = { sql = id.sql, key = id.key,
    descending = columns[#columns] ~= nil and columns[#columns].descending }
  local order = {}
  for i, column in ipairs(columns) do
    order[i] = column.sql .. (column.descending and " DESC" or " ASC")
  end
  local page = {
    limit = query.limit, page = query.page, fetch = query.limit + 1, offset = 0, sort = sort,
    place = place_of(ctx),
    columns = columns, order = table.concat(order, ", "), condition = "TRUE", params = {},
  }
  if query.page then
    page.fetch, page.offset = query.limit, (query.page - 1) * query.limit
  elseif query.cursor then
    local position = cursor.decode(query.cursor)
    if position.s ~= sort or position.l ~= page.place or type(position.v) ~= "table"
      or #position.v ~= #columns then
      refuse_cursor()
    end
    page.condition = keyset(columns, position.v, 1, page.params)
  end
  return page
end

--- The answer's meta when the surplus row was never written (scope:shaped).
-- @param count the number of rows found, with that one
-- @param last the columns of the last row shown, by the keys of the sort; nil without a row
-- @param total the number of all rows; needed when page.page is set
function M.meta_after(page, count, last, total)
  if page.page then
    return { limit = page.limit, page = page.page, total = total,
      totalPages = math.ceil(total / page.limit) }
  end
  local has_more = count > page.limit
  local next_cursor
  if has_more then
    local values = json.array({})
    for i, column in ipairs(page.columns) do
      local value = last[column.key]
      values[i] = value == nil and json.null or value
    end
    next_cursor = cursor.encode({ s = page.sort, l = page.place, v = values })
  end
  return { limit = page.limit, hasMore = has_more, nextCursor = next_cursor or json.null }
end

--- The answer's meta. Takes the row beyond the limit off `rows`.
function M.meta(page, rows, total)
  local count = #rows
  if not page.page and count > page.limit then
    rows[count] = nil
  end
  return M.meta_after(page, count, rows[#rows], total)
end

return M
