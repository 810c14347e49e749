--- Access tokens (JWT) and the random secrets of sessions.

local config = require("core.config")
local crypto = require("core.crypto")
local errors = require("core.errors")
local json = require("core.json")
local time = require("core.time")
local uuid = require("core.uuid")
local keys = require("services.identity.keys")

local M = {}

local SECRET_BYTES = 32
local VERIFIED_MAX = 4000

-- Claims of tokens that were genuine; whoever reads them must not change them.
local verified, verified_count = {}, 0

--- A random secret to hand out, and the hash to store.
function M.secret()
  local secret = crypto.base64url(crypto.random(SECRET_BYTES))
  return secret, M.digest(secret)
end

--- SHA-256 as hex.
function M.digest(text)
  return crypto.hex(crypto.hash("sha256", text))
end

--- An access token.
-- @param session {id, user_id, tenant_id}
-- @param role of the membership, or nil
-- @return token, seconds until it expires
function M.access(session, role)
  local auth = config.get().auth
  local now = math.floor(time.now_ms() / 1000)
  local claims = {
    iss = auth.issuer,
    aud = auth.audience,
    sub = session.user_id,
    tid = session.tenant_id,
    role = role,
    sid = session.id,
    jti = uuid.v7(),
    iat = now,
    exp = now + auth.access_ttl_s,
  }
  return keys.sign(json.encode(claims)), auth.access_ttl_s
end

local function remember(token, claims)
  if verified_count >= VERIFIED_MAX then
    verified, verified_count = {}, 0
  end
  verified[token], verified_count = claims, verified_count + 1
end

--- Whether a text is a token that was genuine: then it also has the form of one.
function M.is_known(text)
  return verified[text] ~= nil
end

--- The claims of a token that this platform gave out and that has not expired; else raises 401.
function M.read(token)
  local known = verified[token]
  if known and known.exp * 1000 > time.now_ms() then
    return known
  end
  local auth = config.get().auth
  local text, err = keys.verify(token, { iss = auth.issuer, aud = auth.audience })
  if not text then
    if err.code == "EXPIRED" then
      errors.raise("TOKEN_EXPIRED", "The token has expired")
    end
    errors.raise("UNAUTHORIZED", "The token is not valid")
  end
  local claims = json.decode(text)
  if not (claims and uuid.is(claims.sid or "") and uuid.is(claims.sub or "")) then
    errors.raise("UNAUTHORIZED", "The token is not valid")
  end
  if not known then
    remember(token, claims)
  end
  return claims
end

return M
