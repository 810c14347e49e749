-- Texts sealed at rest (AES-256-GCM), each purpose under a key of its own that is derived from the
-- server's secret.

local config = require("core.config")
local crypto = require("core.crypto")

local M = {}

local known, known_secret = {}, nil -- purpose -> its key, under that secret

--- The 32 bytes of a purpose's key.
-- @param purpose such as "reports.contact", one of a few; another one is another key
function M.key(purpose)
  local auth = config.get().auth
  local secret = auth.data_secret ~= "" and auth.data_secret or auth.secret
  if secret ~= known_secret then
    known, known_secret = {}, secret
  end
  known[purpose] = known[purpose] or crypto.hmac("sha256", secret, purpose)
  return known[purpose]
end

--- Seals a text. It opens only with the same purpose and the same `bound_to` (an id): what is
-- copied into another row does not open there.
function M.seal(purpose, text, bound_to)
  return crypto.encrypt(M.key(purpose), text, bound_to)
end

--- The text again, or nil, err when anything does not fit.
function M.open(purpose, sealed, bound_to)
  return crypto.decrypt(M.key(purpose), sealed, bound_to)
end

return M
