-- The list of work orders, flat or as a kanban board. Those without workorders.read see what is
-- theirs and their teams'.

local json = require("core.json")
local paging = require("core.paging")
local words = require("core.words")
local files = require("services.files")
local escalation = require("plugins.workorders.escalation")
local schema = require("plugins.workorders.schema")
local states = require("plugins.workorders.rules.states")
local store = require("plugins.workorders.store")
local teams_store = require("plugins.workorders.teams_store")
local view = require("plugins.workorders.rules.view")
local workflow = require("plugins.workorders.workflow")

local M = {}

M.query = paging.query_schema({
  sorts = { "createdAt", "updatedAt", "priority", "status", "number" },
  filters = schema.filters,
  check = schema.check_list,
})

--- Checks what the tenant's rules decide. Called with the other checks of the input.
function M.check(ctx, input, problem)
  local wanted = input.query and input.query.status
  for _, status in ipairs(type(wanted) == "table" and wanted or {}) do
    if not workflow.knows(ctx, status) then
      problem("status", "enum", "must be of the work order's states")
      return
    end
  end
end

local PAGING = { columns = store.SORTS, id = "w.id", default = "-createdAt" }

local function filters_of(ctx, query)
  local filters = {}
  for _, name in ipairs({ "status", "priority", "assignee", "team", "reportId", "createdFrom",
    "createdTo", "overdue" }) do
    filters[name] = query[name]
  end
  filters.words = words.of(query.q)
  if not ctx:can("workorders.read") then
    local user_id = ctx.actor.user_id
    filters.mine = { user_id = user_id, team_ids = teams_store.ids_of_user(ctx, user_id) }
  end
  return filters
end

local function pick(order, names)
  local picked = { id = order.id }
  for _, name in ipairs(names) do
    picked[name] = order[name]
  end
  return picked
end

local function ids_of(rows)
  local ids = {}
  for i, row in ipairs(rows) do
    ids[i] = row.id
  end
  return ids
end

-- What can be included: function(ctx, ids) -> {[id] = list}.
local INCLUDED = {
  attachments = function(ctx, ids)
    return files.list_all(ctx, "workorder", ids)
  end,
  escalations = escalation.list,
}

local function included(ctx, query, rows)
  local found, ids = {}, ids_of(rows)
  for _, name in ipairs(query.include or {}) do
    found[name] = INCLUDED[name](ctx, ids)
  end
  return found
end

-- The rows as the query wants them: sparse fields, what is included.
local function shown(ctx, query, rows)
  local more = included(ctx, query, rows)
  local found = json.array({})
  for i, row in ipairs(rows) do
    local order = view.order(row)
    found[i] = query.fields and pick(order, query.fields) or order
    for name, lists in pairs(more) do
      found[i][name] = lists[row.id]
    end
  end
  return found
end

-- The states of the product, then those of the tenant's rules.
local function columns_of(ctx)
  local names = { unpack(states.STATUSES) }
  for _, state in ipairs(workflow.added(ctx)) do
    names[#names + 1] = state
  end
  return names
end

-- One small query per column that has anything in it; the counts come from one more.
local function kanban(ctx, query, filters)
  local counts = store.count_by_status(ctx, filters)
  local columns = json.array({})
  for i, status in ipairs(columns_of(ctx)) do
    local rows = {}
    if counts[status] then
      filters.status = { status }
      rows = store.list(ctx, filters, paging.read(ctx,
        { limit = query.limit, page = 1, sort = query.sort }, PAGING))
    end
    columns[i] = { status = status, count = counts[status] or 0, items = shown(ctx, query, rows) }
  end
  return { columns = columns }
end

--- Returns one page of work orders and its meta, or the board.
-- @param query as M.query cleans it
function M.find(ctx, query)
  local filters = filters_of(ctx, query)
  if query.view == "kanban" then
    return kanban(ctx, query, filters)
  end
  local page = paging.read(ctx, query, PAGING)
  local rows = store.list(ctx, filters, page)
  local meta = paging.meta(page, rows, page.page and store.count(ctx, filters))
  return shown(ctx, query, rows), meta
end

--- Returns how many work orders there are.
-- @param query filters as M.query cleans them
-- @param by status, priority, team, assignee, or nil
-- @return the number; with `by` a list of {name (nil: none), count}, the largest first
function M.count(ctx, query, by)
  local filters = filters_of(ctx, query)
  if not by then
    return store.count(ctx, filters)
  end
  local counts = json.array({})
  for i, row in ipairs(store.count_by(ctx, filters, by)) do
    counts[i] = { name = row.name, count = row.count }
  end
  return counts
end

return M
