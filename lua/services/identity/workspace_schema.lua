--- What the calls on workspaces take and answer.

local makers = require("core.schema.fields")
local paging = require("core.paging")
local s = require("core.schema")
local invitations = require("services.identity.invitations")
local workspaces = require("services.identity.workspaces")

local M = {}

local id, time = makers.id, makers.time

local function contact()
  return s.object({
    email = s.string({ format = "email", optional = true }),
    phone = s.string({ format = "phone", optional = true }),
    website = s.string({ format = "url", optional = true }),
    address = s.string({ max = 500, optional = true }),
  }, { optional = true })
end

local function name(optional)
  return s.string({ min = 1, max = 200, trim = true, format = "line", optional = optional })
end

local function slug()
  return s.string({ format = "slug", optional = true })
end

-- What it takes -----------------------------------------------------------------

M.nothing = s.object({})

M.create = s.object({ name = name(), slug = slug(), contactInfo = contact(),
  timezone = makers.timezone() })

M.update = s.object({
  name = name(true),
  slug = slug(),
  contactInfo = contact(),
  timezone = makers.timezone(),
  tier = s.enum({ "free", "pro", "enterprise", optional = true }),
})

M.invite = s.object({
  email = s.string({ format = "email", trim = true }),
  role = s.string({ min = 1, max = 63 }),
})

M.accept = s.object({ token = s.string({ min = 1, max = 200 }) })

M.transfer = s.object({ userId = id() })

M.list = paging.query_schema({ sorts = workspaces.SORTS })

M.members = paging.query_schema({ sorts = workspaces.MEMBER_SORTS })

M.invitations = paging.query_schema({ sorts = invitations.SORTS })

-- What it answers ---------------------------------------------------------------

M.workspace = s.object({
  id = id(),
  slug = s.string(),
  name = s.string(),
  contactInfo = s.map(),
  branding = s.map(),
  tier = s.string(),
  timezone = s.string(),
  role = s.string({ nullable = true, describe = "the caller's" }),
  createdAt = time(),
  updatedAt = time(),
}, { name = "Workspace" })

M.workspaces = s.array({ of = M.workspace })

M.member_list = s.array({ of = s.object({
  id = id(),
  firstName = s.string(),
  lastName = s.string(),
  fullName = s.string(),
  role = s.string(),
  joinedAt = time(),
  email = s.string({ format = "email", optional = true, describe = "with users.read" }),
  phone = s.string({ nullable = true, optional = true, describe = "with users.read" }),
  userType = s.string({ optional = true, describe = "with users.read" }),
  status = s.string({ optional = true, describe = "with users.read" }),
}, { name = "WorkspaceMember" }) })

M.invitation = s.object({
  id = id(),
  email = s.string({ format = "email" }),
  role = s.string(),
  invitedBy = id(),
  createdAt = time(),
  expiresAt = time(),
}, { name = "Invitation" })

M.invitation_list = s.array({ of = M.invitation })

M.accepted = s.object({
  workspace = s.object({ id = id(), slug = s.string(), name = s.string() }),
  role = s.string(),
})

return M
