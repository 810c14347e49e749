--- The codes of an authenticator app (RFC 6238), made without a line of the server's.
local basexx = require("basexx")
local hmac = require("openssl.hmac")

local M = {}

local STEP_S = 30

--- The code of a secret (base32) for now, or for so many steps later.
function M.code(secret, steps)
  local counter = math.floor(os.time() / STEP_S) + (steps or 0)
  local bytes = {}
  for i = 8, 1, -1 do
    bytes[i] = string.char(counter % 256)
    counter = math.floor(counter / 256)
  end
  local mac = hmac.new(basexx.from_base32(secret), "sha1"):final(table.concat(bytes))
  local offset = mac:byte(20) % 16
  local a, b, c, d = mac:byte(offset + 1, offset + 4)
  return ("%06d"):format((a % 128 * 2 ^ 24 + b * 2 ^ 16 + c * 2 ^ 8 + d) % 1000000)
end

--- Waits until a step has just begun, so that a code lasts for the test that uses it.
function M.settle()
  local left = STEP_S - os.time() % STEP_S
  if left < 8 then
    require("cqueues").sleep(left)
  end
end

return M
