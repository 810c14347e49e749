--- The built-in roles and what each may do. Seeing and changing one's own reports needs no
-- permission; a technician without `workorders.read` sees what is assigned to them or their team.

local M = {}

--- From the most to the least.
M.ORDER = { "owner", "admin", "dispatcher", "technician", "member", "viewer", "public" }

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

--- What a member may do: the role's permissions, with single ones added or taken.
-- @param role its name, or nil outside all tenants
-- @param changes {["reports.export"] = true, ["reports.update"] = false}, or nil
-- @param platform_admin adds the operations of the platform
-- @return a set
function M.permissions(role, changes, platform_admin)
  local set = {}
  for permission in pairs(PERMISSIONS[role] or {}) do
    set[permission] = true
  end
  for permission, given in pairs(changes or {}) do
    set[permission] = given or nil
  end
  if platform_admin then
    for _, permission in ipairs(PLATFORM) do
      set[permission] = true
    end
  end
  return set
end

return M
