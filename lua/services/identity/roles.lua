--- The built-in roles and what each may do. Seeing and changing one's own reports needs no
-- permission; a technician without `workorders.read` sees what is assigned to them or their team.

local json = require("core.json")

local M = {}

--- From the most to the least.
M.ORDER = { "owner", "admin", "dispatcher", "technician", "member", "viewer", "public" }

--- Who each is for.
M.DESCRIPTIONS = {
  owner = "Everything, and the workspace itself.",
  admin = "Everything but the workspace itself: people, roles, keys, scripts, settings.",
  dispatcher = "Handles reports, makes and assigns work orders.",
  technician = "Does the work orders of their own and their team.",
  member = "Reports as an employee.",
  viewer = "Sees, and changes nothing.",
  public = "Sees and changes their own reports.",
}

local REPORTS = { "reports.create", "reports.read" }
local DISPATCH = {
  "reports.update", "reports.export",
  "workorders.create", "workorders.assign", "workorders.update", "workorders.read",
  "analytics.read", "users.read",
}
local FIELD = {
  "workorders.work",
  "remediations.create", "remediations.read", "remediations.update", "remediations.delete",
}
local PRODUCTS = {
  "prompts.read", "prompts.create", "prompts.update", "prompts.delete",
  "repairs.read", "repairs.create", "repairs.update", "repairs.delete",
}
local FILES = { "files.read", "files.create", "files.delete" }
local ADMINISTRATION = {
  "reports.delete", "workorders.delete",
  "users.create", "users.update", "users.delete", "roles.assign", "audit.read",
  "scripts.read", "scripts.write", "scripts.publish",
  "apikeys.read", "apikeys.create", "apikeys.update", "apikeys.delete",
  "webhooks.read", "webhooks.create", "webhooks.update", "webhooks.delete",
  "settings.manage",
}
local OWNERSHIP = { "workspaces.manage" }
local VIEW = {
  "reports.read", "workorders.read", "analytics.read", "prompts.read", "repairs.read",
  "remediations.read", "files.read",
}

local function set_of(...)
  local set = {}
  for _, list in ipairs({ ... }) do
    for _, permission in ipairs(list) do
      set[permission] = true
    end
  end
  return set
end

local PERMISSIONS = {
  owner = set_of(REPORTS, DISPATCH, FIELD, PRODUCTS, FILES, ADMINISTRATION, OWNERSHIP),
  admin = set_of(REPORTS, DISPATCH, FIELD, PRODUCTS, FILES, ADMINISTRATION),
  dispatcher = set_of(REPORTS, DISPATCH, FIELD, PRODUCTS, FILES),
  technician = set_of(REPORTS, FIELD, PRODUCTS, FILES),
  member = set_of(REPORTS, PRODUCTS, FILES),
  viewer = set_of(VIEW),
  public = {},
}

local PLATFORM = { "system.read", "system.manage", "system.jobs" }

--- Whether a role of this name is built in.
function M.is(role)
  return PERMISSIONS[role] ~= nil
end

--- Whether people with the role work for the tenant (and so hear its rooms and are listed).
function M.is_staff(role)
  return role ~= nil and role ~= "public"
end

local function built_in(role)
  return PERMISSIONS[role] or {}
end

--- The permissions of a built-in role: a set, not to be changed; empty for other names.
M.permissions = built_in

local SETS_MAX = 1000

local sets, set_count = {}, 0 -- what a set is made of -> the set

local function make_set(row)
  local set = {}
  for permission in pairs(built_in(row.role)) do
    set[permission] = true
  end
  for permission in (row.granted or ""):gmatch("[^,]+") do
    set[permission] = true
  end
  for permission, given in pairs(row.permissions and json.decode(row.permissions) or {}) do
    set[permission] = given or nil
  end
  if row.platform_admin then
    for _, permission in ipairs(PLATFORM) do
      set[permission] = true
    end
  end
  return set
end

--- What a member may do: the role, the tenant's own roles, single permissions added or taken, and
-- for who runs the platform its operations. The one place that says so.
-- @param row role (its name, nil outside all tenants), granted (comma-separated, of the tenant's
--   own roles), permissions (JSON text {"reports.export": true, "reports.update": false}),
--   platform_admin; all may be nil
-- @return a set, not to be changed: thousands of people have the same few
function M.effective(row)
  local key = table.concat({ row.role or "", row.platform_admin and "platform" or "",
    row.granted or "", row.permissions or "" }, "\n")
  if not sets[key] then
    if set_count >= SETS_MAX then
      sets, set_count = {}, 0
    end
    sets[key], set_count = make_set(row), set_count + 1
  end
  return sets[key]
end

--- The permissions of a set in order.
function M.list(set)
  local list = json.array({})
  for permission in pairs(set) do
    list[#list + 1] = permission
  end
  table.sort(list)
  return list
end

return M
