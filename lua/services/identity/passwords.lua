--- Which passwords are accepted, and how they are kept (bcrypt).

local config = require("core.config")
local crypto = require("core.crypto")
local errors = require("core.errors")

local M = {}

local MIN, MAX_BYTES = 10, 72 -- bcrypt looks at 72 bytes

-- The well-known ones that pass the length rule.
local COMMON = {}
for word in ([[
  1234567890 12345678910 0123456789 0987654321 9876543210 123456789a 1q2w3e4r5t 1q2w3e4r5t6y
  1qaz2wsx3edc 123qweasdzxc 1029384756 1357924680 1122334455 password10 password11 password12
  password123 password1234 password12345 passw0rd123 p@ssw0rd123 password! password1! password123!
  mypassword passwordpassword qwertyuiop qwertyuiop123 qwerty12345 qwerty123456 qwertz12345
  qwertzuiop asdfghjkl1 asdfghjkl123 zxcvbnm123 zaq12wsxcde3 abcdefghij abcdefghijk abc1234567
  abcd123456 abcd12345678 iloveyou12 iloveyou123 letmein123 letmein1234 welcome123 welcome1234
  welcome12345 admin12345 admin123456 administrator administrador changeme123 changeme1234
  football123 baseball123 superman123 spiderman1 princess123 sunshine123 michael123 liverpool1
  manchester startrek123 starwars123 pokemon123 computer123 internet123 samsung123 master12345
  trustno1234 whatever123 dragon12345 monkey12345 shadow12345 testtest123 test123456 secret1234
  secretsecret hello12345 hellohello1 summer2024 summer2025 winter2024 winter2025 unbelievable
  correcthorsebatterystaple
]]):gmatch("%S+") do
  COMMON[word] = true
end

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
  local lower = password:lower()
  if COMMON[lower] or lower == lower:sub(1, 1):rep(#lower) then
    return "is one of the passwords that are tried first"
  end
  for _, text in ipairs(personal or {}) do
    if lower == text:lower() then
      return "must not be your own address or name"
    end
  end
end

--- The hash to store. Waits.
function M.hash(password)
  return errors.check(crypto.password_hash(password, config.get().auth.bcrypt_cost))
end

--- Whether the password has this hash. Waits. Without a hash it takes the same time and fails,
-- so that a stranger cannot tell by the clock which addresses have an account.
function M.verify(password, hash)
  if #password > MAX_BYTES then
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
