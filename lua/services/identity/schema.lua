--- What the account calls take.

local s = require("core.schema")
local passwords = require("services.identity.passwords")

local M = {}

local NAME_MAX = 100
local PASSWORD_MAX = 200
local TOKEN_MAX = 200

local function name()
  return s.string({ min = 1, max = NAME_MAX, trim = true, format = "line", optional = true })
end

local EMPLOYEE = s.map({ optional = true,
  describe = "employeeNumber, team, jobTitle, skills, certifications, shift" })

--- Of a POST that needs to be told nothing.
M.nothing = s.object({})

local function new_password(options)
  return s.string({ min = 1, max = PASSWORD_MAX, optional = options and options.optional,
    describe = passwords.RULE })
end

-- Told with what is wrong elsewhere. That it is not one's own name is for who knows that.
local function check_password(value, field, problem)
  local text = value[field] and passwords.problem(value[field])
  if text then
    problem(field, "password", text)
  end
end

M.register = s.object({
  email = s.string({ format = "email", trim = true }),
  password = new_password(),
  firstName = name(),
  lastName = name(),
  fullName = name(),
  phone = s.string({ format = "phone", optional = true }),
  employee = EMPLOYEE,
  tenant = s.string({ max = 63, optional = true, describe = "the slug of the tenant to join" }),
  inviteToken = s.string({ min = 1, max = TOKEN_MAX, optional = true,
    describe = "of an invitation to this address; its tenant is joined" }),
}, {
  check = function(value, problem, wrong)
    if not (value.firstName or value.lastName or value.fullName or wrong.firstName
      or wrong.lastName) then
      problem("fullName", "required", "is required when there is no firstName and lastName")
    end
    check_password(value, "password", problem)
  end,
})

local function password(options)
  return s.string({ min = 1, max = PASSWORD_MAX, optional = options and options.optional })
end

local function token()
  return s.string({ min = 1, max = TOKEN_MAX })
end

local function code(options)
  return s.string({ pattern = "^%d%d%d%d%d%d$", trim = true, optional = options.optional,
    describe = "six digits of an authenticator app" })
end

local function recovery_code()
  return s.string({ min = 1, max = 40, trim = true, optional = true })
end

-- One of two ways to prove the second step.
local function code_or_recovery(value, problem, wrong)
  if not (value.code or value.recoveryCode or wrong.recoveryCode) then
    problem("code", "required", "is required when there is no recoveryCode")
  elseif value.code and value.recoveryCode then
    problem("recoveryCode", "conflict", "and code exclude each other")
  end
end

M.login = s.object({
  email = s.string({ min = 1, max = 254, trim = true }),
  password = password(),
  mfaCode = code({ optional = true }),
})

M.verify_factor = s.object({
  mfaToken = token(),
  code = code({ optional = true }),
  recoveryCode = recovery_code(),
}, { check = code_or_recovery })

M.enable_factor = s.object({ code = code({}) })

M.disable_factor = s.object({
  password = password(),
  code = code({ optional = true }),
  recoveryCode = recovery_code(),
}, { check = code_or_recovery })

M.forgot = s.object({ email = s.string({ format = "email", trim = true }) })

M.reset = s.object({ token = token(), password = new_password() }, {
  check = function(value, problem)
    check_password(value, "password", problem)
  end,
})

M.verify = s.object({ token = token() })

M.delete_account = s.object({ password = password() })

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
  currentPassword = password({ optional = true }),
  newPassword = new_password({ optional = true }),
}, {
  check = function(value, problem)
    if value.newPassword and not value.currentPassword then
      problem("currentPassword", "required", "is required to set a new one")
    end
    check_password(value, "newPassword", problem)
  end,
})

M.switch = s.object({ tenantId = s.string({ format = "uuid" }) })

return M
