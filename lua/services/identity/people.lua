--- The people of a tenant, as its dispatchers see them.

local errors = require("core.errors")
local json = require("core.json")
local paging = require("core.paging")
local reply = require("core.reply")
local roles = require("services.identity.roles")
local store = require("services.identity.store")
local view = require("services.identity.view")

local M = {}

local function shown(rows, max)
  local list = json.array({})
  for i = 1, math.min(#rows, max) do
    list[i] = view.member(rows[i])
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
  for i, row in ipairs(store.list_members(ctx, { roles = role_names, limit = 1000 })) do
    list[i] = { id = row.id, name = view.full_name(row), role = row.role }
  end
  return list
end

--- A member by id for the API; 404 when there is none.
function M.get(ctx, id)
  local row = store.find_member(ctx, id)
  return row and view.member(row) or errors.raise("NOT_FOUND", "There is no such member")
end

--- Members whose name or address begins with a text.
function M.search(ctx, text, limit)
  return shown(store.list_members(ctx, { q = text, limit = limit }), limit)
end

-- Without a filter by role the citizens who only report are left out.
local function staff_roles()
  local list = {}
  for _, role in ipairs(roles.ORDER) do
    if roles.is_staff(role) then
      list[#list + 1] = role
    end
  end
  return list
end

return M
