-- Opaque, signed positions in a list. A client can keep one and hand it back, not make one.

local config = require("core.config")
local crypto = require("core.crypto")
local errors = require("core.errors")
local json = require("core.json")

local M = {}

local SIGNATURE_BYTES = 16
local TEXT_MAX = 2048

local key -- derived from the configured secret on first use

local function sign(text)
  key = key or crypto.hmac("sha256", config.get().auth.secret, "cursor")
  return crypto.hmac("sha256", key, text):sub(1, SIGNATURE_BYTES)
end

local function refuse()
  errors.validation({ { field = "cursor", code = "format", message = "is not a cursor of ours" } })
end

--- A cursor that holds the table (plain JSON values).
function M.encode(values)
  local text = json.encode(values)
  return crypto.base64url(sign(text) .. text)
end

--- The table in a cursor; raises 400 when it is not one of ours.
function M.decode(cursor)
  local bytes = type(cursor) == "string" and #cursor <= TEXT_MAX and crypto.unbase64url(cursor)
  if not bytes or #bytes <= SIGNATURE_BYTES then
    refuse()
  end
  local text = bytes:sub(SIGNATURE_BYTES + 1)
  if not crypto.equal(bytes:sub(1, SIGNATURE_BYTES), sign(text)) then
    refuse()
  end
  return json.decode(text) or refuse()
end

return M
