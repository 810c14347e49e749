--- The people of a tenant, as its dispatchers see them.

local errors = require("core.errors")
local json = require("core.json")
local paging = require("core.paging")
local roles = require("services.identity.roles")
local roles_store = require("services.identity.roles_store")
local store = require("services.identity.people_store")
local view = require("services.identity.view")

local M = {}

local ACTIVE = { "active" }
local RECIPIENTS_MAX = 1000

--- What list() can sort by.
M.SORTS = { "name", "email", "role", "status", "joinedAt" }

local function page_of(ctx, query)
  return paging.read(ctx, query, { columns = store.SORTS, id = "u.id", default = "name" })
end

local function shown(rows)
  local list = json.array({})
  for i, row in ipairs(rows) do
    list[i] = view.member(row)
  end
  return list
end

--- An active member by id: {id, name, role, permissions = a set}, or nil. For services; no
-- permission is asked.
function M.find(ctx, id)
  local row = store.find(ctx, id)
  return row and row.status == "active" and { id = row.id, name = view.full_name(row),
    role = row.role, permissions = roles.effective(row) } or nil
end

--- The active members that have one of these roles: array of {id, name, role}.
function M.with_role(ctx, role_names)
  local list = {}
  local filter = { roles = role_names, statuses = ACTIVE }
  local rows = store.list(ctx, filter, page_of(ctx, { limit = 1000 }))
  for i, row in ipairs(rows) do
    list[i] = { id = row.id, name = view.full_name(row), role = row.role }
  end
  return list
end

-- Built in, or one of the tenant's own.
local function is_role(ctx, name)
  return roles.is(name) or roles_store.find_by_name(ctx, name) ~= nil
end

--- Whom a message can be sent to: the active members with these ids, or with one of these roles.
-- For services; no permission is asked.
-- @param wanted ids or roles, an array that is not empty
-- @return array of {id, name, email, phone}, each once; nil when one of the roles is none
function M.recipients(ctx, wanted)
  for _, name in ipairs(wanted.roles or {}) do
    if not is_role(ctx, name) then
      return nil
    end
  end
  local list, seen = {}, {}
  local function add(filter)
    filter.statuses = ACTIVE
    for _, row in ipairs(store.list(ctx, filter, page_of(ctx, { limit = RECIPIENTS_MAX }))) do
      if not seen[row.id] then
        seen[row.id] = true
        list[#list + 1] = { id = row.id, name = view.full_name(row), email = row.email,
          phone = row.phone }
      end
    end
  end
  add({ ids = wanted.ids, roles = wanted.roles })
  if wanted.roles then
    add({ held = wanted.roles })
  end
  return list
end

--- A row of the store as the API shows it in full.
function M.show(ctx, row)
  return view.member_detail(row, roles_store.list_held(ctx, row.id))
end

--- A member by id for the API; 404 when there is none.
function M.get(ctx, id)
  local row = store.find(ctx, id)
  return row and M.show(ctx, row) or errors.raise("NOT_FOUND", "There is no such member")
end

local function check_roles(ctx, names)
  for i, name in ipairs(names or {}) do
    if not is_role(ctx, name) then
      errors.validation({ { field = ("role[%d]"):format(i - 1), code = "enum",
        message = "must be a role of this tenant" } })
    end
  end
end

--- One page of the members.
-- @param query role and status (lists of names), staff = only who works for the tenant, q, and
--   those of core.paging
-- @return members, meta
function M.list(ctx, query)
  check_roles(ctx, query.role)
  local page = page_of(ctx, query)
  local filter = { roles = query.role, staff = query.staff, statuses = query.status,
    q = query.q }
  local rows = store.list(ctx, filter, page)
  local total = page.page and store.count(ctx, filter) or nil
  local meta = paging.meta(page, rows, total)
  return shown(rows), meta
end

return M
