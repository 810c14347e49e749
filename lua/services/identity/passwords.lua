--- Which passwords are accepted, and how they are kept (bcrypt).

local config = require("core.config")
local crypto = require("core.crypto")
local errors = require("core.errors")
local common = require("services.identity.common_passwords")

local M = {}

-- bcrypt looks at 72 bytes: longer ones are refused, or two that differ behind would be equal.
local MIN, MAX_BYTES = 10, 72

--- What a caller is told beforehand.
M.RULE = ("at least %d characters, at most %d bytes, and none that is tried first")
  :format(MIN, MAX_BYTES)

--- What is wrong with a password, as a validation problem's message; nil when it is fine.
-- @param personal texts it must not consist of (address, names)
function M.problem(password, personal)
  local _, continuations = password:gsub("[\128-\191]", "")
  if #password - continuations < MIN then
    return "must have at least " .. MIN .. " characters"
  end
  if #password > MAX_BYTES then
    return "must have at most " .. MAX_BYTES .. " bytes"
  end
  if password:find("%z") then
    return "must not hold a NUL character"
  end
  local lower = password:lower()
  if common.has(password) then
    return "is one of the passwords that are tried first"
  end
  for _, text in ipairs(personal or {}) do
    if lower == text:lower() then
      return "must not be your own address or name"
    end
  end
end

--- Raises 400 naming the field when the password is not accepted.
function M.check(password, field, personal)
  local problem = M.problem(password, personal)
  if problem then
    errors.validation({ { field = field, code = "password", message = problem } })
  end
end

--- The hash to store. Waits.
function M.hash(password)
  return errors.check(crypto.password_hash(password, config.get().auth.bcrypt_cost))
end

--- Whether the password has this hash. Waits. Without a hash it takes the same time and fails,
-- so that a stranger cannot tell by the clock which addresses have an account.
function M.verify(password, hash)
  if #password > MAX_BYTES or password:find("%z") then
    password = ""
  end
  local nobody = ("$2b$%02d$%s"):format(config.get().auth.bcrypt_cost, ("."):rep(53))
  local ok = errors.check(crypto.password_verify(password, hash or nobody))
  return ok and hash ~= nil
end

--- Whether the hash was made with a lower cost than is configured now.
function M.is_weak(hash)
  local cost = tonumber(hash:match("^%$2[aby]%$(%d%d)%$"))
  return not cost or cost < config.get().auth.bcrypt_cost
end

return M
