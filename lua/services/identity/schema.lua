--- What the account calls take.

local s = require("core.schema")

local M = {}

local NAME_MAX = 100
local PASSWORD_MAX = 200
local TOKEN_MAX = 200

local function name()
  return s.string({ min = 1, max = NAME_MAX, trim = true, optional = true })
end

local EMPLOYEE = s.map({ optional = true,
  describe = "employeeNumber, team, jobTitle, skills, certifications, shift" })

M.register = s.object({
  email = s.string({ format = "email", trim = true }),
  password = s.string({ min = 1, max = PASSWORD_MAX }),
  firstName = name(),
  lastName = name(),
  fullName = name(),
  phone = s.string({ format = "phone", optional = true }),
  employee = EMPLOYEE,
  tenant = s.string({ max = 63, optional = true, describe = "the slug of the tenant to join" }),
}, {
  check = function(value, problem)
    if not (value.firstName or value.lastName or value.fullName) then
      problem("fullName", "required", "is required when there is no firstName and lastName")
    end
  end,
})

M.login = s.object({
  email = s.string({ min = 1, max = 254, trim = true }),
  password = s.string({ min = 1, max = PASSWORD_MAX }),
})

M.cookie = s.object({
  cookie = s.boolean({ default = false, describe = "keep the refresh token in a cookie" }),
})

M.refresh = s.object({
  refreshToken = s.string({ min = 1, max = TOKEN_MAX, optional = true }),
})

M.logout = s.object({
  refreshToken = s.string({ min = 1, max = TOKEN_MAX, optional = true }),
  all = s.boolean({ default = false }),
})

M.profile = s.object({
  firstName = name(),
  lastName = name(),
  fullName = name(),
  phone = s.string({ format = "phone", optional = true, nullable = true }),
  employee = EMPLOYEE,
  currentPassword = s.string({ min = 1, max = PASSWORD_MAX, optional = true }),
  newPassword = s.string({ min = 1, max = PASSWORD_MAX, optional = true }),
})

M.switch = s.object({ tenantId = s.string({ format = "uuid" }) })

return M
