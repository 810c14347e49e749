--- Codes of authenticator apps: HOTP (RFC 4226) over time steps (RFC 6238), SHA-1, six digits, as
-- every app has them.

local bit = require("bit")
local base32 = require("core.base32")
local crypto = require("core.crypto")

local M = {}

local SECRET_BYTES = 20 -- RFC 4226 section 4, R6
local STEP_S = 30
local WINDOW = 1 -- steps that clocks may differ, either way
local DIGITS = 6
local ADDRESS = "otpauth://totp/%s:%s?secret=%s&issuer=%s&algorithm=SHA1&digits=%d&period=%d"

--- A fresh secret.
function M.secret()
  return crypto.random(SECRET_BYTES)
end

local function counter_bytes(counter)
  local high, low = math.floor(counter / 2 ^ 32), counter % 2 ^ 32
  local bytes = {}
  for i, word in ipairs({ high, low }) do
    for j = 0, 3 do
      bytes[(i - 1) * 4 + j + 1] = string.char(math.floor(word / 256 ^ (3 - j)) % 256)
    end
  end
  return table.concat(bytes)
end

--- The code of one counter (RFC 4226 section 5.3).
-- @param digits 6 when left out
function M.code(secret, counter, digits)
  digits = digits or DIGITS
  local mac = crypto.hmac("sha1", secret, counter_bytes(counter))
  local offset = bit.band(mac:byte(-1), 15)
  local a, b, c, d = mac:byte(offset + 1, offset + 4)
  local number = bit.band(a, 127) * 2 ^ 24 + b * 2 ^ 16 + c * 2 ^ 8 + d
  return ("%0" .. digits .. "d"):format(number % 10 ^ digits)
end

--- The time step of a moment.
function M.step(ms)
  return math.floor(ms / 1000 / STEP_S)
end

--- The step whose code this is, among now and its neighbours; nil when it is none of them, or not
-- after `last_step`: a code is good once.
function M.match(secret, code, now_ms, last_step)
  local now = M.step(now_ms)
  local found
  for step = now - WINDOW, now + WINDOW do
    local is_it = crypto.equal(M.code(secret, step), code)
    if is_it and step > (last_step or -1) then
      found = step
    end
  end
  return found
end

local function encoded(text)
  return (text:gsub("[^%w._~-]", function(char)
    return ("%%%02X"):format(char:byte())
  end))
end

--- The secret as people type it, and the address that apps read from a QR code.
-- @return base32 text, "otpauth://totp/..."
function M.address(secret, issuer, account)
  local text = base32.encode(secret)
  return text, ADDRESS:format(encoded(issuer), encoded(account), text, encoded(issuer), DIGITS,
    STEP_S)
end

return M
