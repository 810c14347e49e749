--- The people of a tenant, as its dispatchers see them.

local errors = require("core.errors")
local json = require("core.json")
local paging = require("core.paging")
local store = require("services.identity.store")
local view = require("services.identity.view")

local M = {}

local COLUMNS = {
  name = "u.last_name",
  joinedAt = { sql = "m.created_at", key = "created_at" },
}

--- What list() can sort by.
M.SORTS = { "name", "joinedAt" }

local function page_of(ctx, query)
  return paging.read(ctx, query, { columns = COLUMNS, id = "u.id", default = "name" })
end

local function shown(rows)
  local list = json.array({})
  for i, row in ipairs(rows) do
    list[i] = view.member(row)
  end
  return list
end

--- A member by id: {id, name, role}, or nil. For services; no permission is asked.
function M.find(ctx, id)
  local row = store.find_member(ctx, id)
  return row and { id = row.id, name = view.full_name(row), role = row.role }
end

--- The members that have one of these roles: array of {id, name, role}.
function M.with_role(ctx, role_names)
  local list = {}
  local rows = store.list_members(ctx, { roles = role_names }, page_of(ctx, { limit = 1000 }))
  for i, row in ipairs(rows) do
    list[i] = { id = row.id, name = view.full_name(row), role = row.role }
  end
  return list
end

--- A member by id for the API; 404 when there is none.
function M.get(ctx, id)
  local row = store.find_member(ctx, id)
  return row and view.member(row) or errors.raise("NOT_FOUND", "There is no such member")
end

--- One page of the members.
-- @param query role (list of names), q, and those of core.paging
-- @return members, meta
function M.list(ctx, query)
  local page = page_of(ctx, query)
  local filter = { roles = query.role, q = query.q }
  local rows = store.list_members(ctx, filter, page)
  local total = page.page and store.count_members(ctx, filter) or nil
  local meta = paging.meta(page, rows, total)
  return shown(rows), meta
end

return M
