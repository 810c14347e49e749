--- What the account calls answer, as the API's description tells it.

local makers = require("core.schema.fields")
local s = require("core.schema")

local M = {}

local id, time = makers.id, makers.time

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
  avatarUrl = s.string({ nullable = true }),
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

local function member(more)
  local fields = {
    id = id(),
    email = s.string({ format = "email" }),
    firstName = s.string(),
    lastName = s.string(),
    fullName = s.string(),
    phone = s.string({ nullable = true }),
    userType = s.string(),
    status = s.string({ describe = "active, inactive or banned" }),
    role = s.string(),
    joinedAt = time(),
  }
  for name, field in pairs(more or {}) do
    fields[name] = field
  end
  return fields
end

M.members = s.array({ of = s.object(member(), { name = "Member" }) })

M.member_detail = s.object(member({
  roles = s.array({ of = s.object({ id = id(), name = s.string() }),
    describe = "roles of the tenant's own besides `role`" }),
  permissions = s.array({ of = s.string(), describe = "all that the member may do" }),
  permissionChanges = s.map({ describe = "single permissions given (true) or taken (false)" }),
}), { name = "MemberDetail" })

M.tenants = s.array({ of = s.object({
  id = id(),
  slug = s.string(),
  name = s.string(),
  role = s.string(),
  active = s.boolean({ describe = "whether the caller acts in it now" }),
  joinedAt = time(),
}, { name = "Membership" }) })

M.verified = s.object({ emailVerified = s.boolean() })

M.factor = s.object({
  secret = s.string({ describe = "base32, to be typed" }),
  otpauthUrl = s.string(),
  qrSvg = s.string({ describe = "the same as a picture" }),
})

M.recovery_codes = s.object({ recoveryCodes = s.array({ of = s.string() }) })

M.sessions = s.array({ of = s.object({
  id = id(),
  device = s.string({ describe = "such as Firefox on Linux" }),
  userAgent = s.string({ nullable = true }),
  ipAddress = s.string({ nullable = true }),
  tenant = TENANT,
  current = s.boolean({ describe = "whether it is the caller's" }),
  createdAt = time(),
  lastUsedAt = time(),
  expiresAt = time(),
}, { name = "Session" }) })

M.numbers = s.map({ describe = "memberSince, lastLoginAt, activeSessions, tenants, and what the "
  .. "plugins count: reportsMade, reportsResolved, workOrdersOpen, ..." })

M.activity = s.array({ of = s.object({
  id = id(),
  action = s.string({ describe = "such as report.create" }),
  resourceType = s.string(),
  resourceId = s.string({ nullable = true }),
  tenantId = s.string({ nullable = true }),
  old = s.map({ optional = true, nullable = true, describe = "of the caller's own account" }),
  new = s.map({ optional = true, nullable = true, describe = "of the caller's own account" }),
  ipAddress = s.string({ nullable = true }),
  userAgent = s.string({ nullable = true }),
  createdAt = time(),
}, { name = "Activity" }) })

M.export = s.object({
  id = id(),
  status = s.enum({ "waiting", "done", "failed" }),
  size = s.integer({ nullable = true, describe = "bytes" }),
  url = s.string({ nullable = true, describe = "where it can be fetched, once it is done" }),
  createdAt = time(),
  expiresAt = time(),
}, { name = "DataExport" })

--- A JWK set (RFC 7517).
M.KEY_SET = {
  type = "application/jwk-set+json",
  schema = s.object({ keys = s.array({ of = s.map() }) }),
}

return M
