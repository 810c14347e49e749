--- What the account calls answer, as the API's description tells it.

local s = require("core.schema")

local M = {}

local function id()
  return s.string({ format = "uuid" })
end

local function time()
  return s.string({ format = "date-time" })
end

local TENANT = s.object({ id = id(), slug = s.string(), name = s.string() },
  { nullable = true })

M.self = s.object({
  id = id(),
  email = s.string({ format = "email" }),
  firstName = s.string(),
  lastName = s.string(),
  fullName = s.string(),
  phone = s.string({ nullable = true }),
  userType = s.string(),
  status = s.string(),
  emailVerified = s.boolean(),
  mfaEnabled = s.boolean(),
  platformAdmin = s.boolean(),
  employee = s.map({ nullable = true }),
  role = s.string({ nullable = true, describe = "in the tenant" }),
  tenant = TENANT,
  permissions = s.array({ of = s.string() }),
  createdAt = time(),
}, { name = "Account" })

M.signed_in = s.object({
  user = M.self,
  accessToken = s.string(),
  refreshToken = s.string({ optional = true, describe = "unless it went into a cookie" }),
  csrfToken = s.string({ optional = true, describe = "when it did" }),
  expiresIn = s.integer({ describe = "seconds" }),
}, { name = "SignedIn" })

M.member = s.object({
  id = id(),
  email = s.string({ format = "email" }),
  firstName = s.string(),
  lastName = s.string(),
  fullName = s.string(),
  phone = s.string({ nullable = true }),
  userType = s.string(),
  status = s.string(),
  role = s.string(),
  joinedAt = time(),
}, { name = "Member" })

M.members = s.array({ of = M.member })

M.tenants = s.array({ of = s.object({
  id = id(),
  slug = s.string(),
  name = s.string(),
  role = s.string(),
  active = s.boolean({ describe = "whether the caller acts in it now" }),
  joinedAt = time(),
}, { name = "Membership" }) })

return M
