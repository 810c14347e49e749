--- The keys of access tokens. The first signs; all verify, each found by its `kid` and good for its
-- own algorithm only. A new key in front and the old one behind it rotates without signing anybody
-- out: `auth.keys` for RS256 and ES256, `auth.previous_secrets` for HS256.

local config = require("core.config")
local crypto = require("core.crypto")
local errors = require("core.errors")
local fs = require("core.fs")
local json = require("core.json")
local jwt = require("core.jwt")

local M = {}

local SECRET = "HS256"
local PEM_MAX = 65536
local KID_BYTES = 4

local list, by_kid -- read from the configuration on first use

local function of_secret(secret)
  local kid = "hs-" .. crypto.hex(crypto.hmac("sha256", secret, "kid"):sub(1, KID_BYTES))
  return { kid = kid, alg = SECRET, sign = secret, verify = secret }
end

-- "2026b=/etc/fixxit/2026b.pem"
local function of_file(entry, alg)
  local kid, path = entry:match("^([%w._-]+)=(.+)$")
  if not kid then
    error("auth.keys: '" .. entry .. "' is not kid=path", 0)
  end
  local pem, err = fs.read_now(path, PEM_MAX)
  local public
  if pem then
    public, err = jwt.public_key(pem)
  end
  if not public then
    error(("auth.keys: %s: %s"):format(path, err.message), 0)
  elseif public.alg ~= alg then
    error(("auth.keys: %s is a key for %s, auth.algorithm is %s"):format(path, public.alg, alg), 0)
  end
  return { kid = kid, alg = alg, sign = pem, verify = public.pem, jwk = public.jwk }
end

local function read()
  local auth = config.get().auth
  local found = {}
  if auth.algorithm == SECRET then
    found[1] = of_secret(auth.secret)
    for _, secret in ipairs(auth.previous_secrets) do
      found[#found + 1] = of_secret(secret)
    end
  else
    for i, entry in ipairs(auth.keys) do
      found[i] = of_file(entry, auth.algorithm)
    end
    if not found[1] or not found[1].sign:find("PRIVATE KEY", 1, true) then
      error("auth.keys: the first must be a private key for " .. auth.algorithm, 0)
    end
  end
  return found
end

local function load()
  if not list then
    list, by_kid = read(), {}
    for _, key in ipairs(list) do
      if by_kid[key.kid] then
        error("auth.keys: " .. key.kid .. " is there twice", 0)
      end
      by_kid[key.kid] = key
    end
  end
end

--- Reads the keys; raises when the configuration is wrong.
M.check = load

--- The token of these claims (JSON text).
function M.sign(claims)
  load()
  local key = list[1]
  return errors.check(jwt.sign(claims, { alg = key.alg, key = key.sign, kid = key.kid }))
end

-- The key that a token names; what it names is only ever looked up.
local function key_of(token)
  load()
  local header = jwt.header(token)
  local values = header and json.decode(header)
  local kid = values and values.kid
  return type(kid) == "string" and by_kid[kid] or nil
end

--- The claims of a token (JSON text), or nil and the primitive's error.
-- @param rules iss, aud
function M.verify(token, rules)
  local key = key_of(token)
  if not key then
    return nil, { code = "INVALID", message = "the token names no key of ours" }
  end
  return jwt.verify(token, { alg = key.alg, key = key.verify, iss = rules.iss, aud = rules.aud })
end

--- The public keys as a JWK set (RFC 7517); empty with shared secrets.
function M.public_set()
  load()
  local set = json.array({})
  for _, key in ipairs(list) do
    if key.jwk then
      local shown = { kid = key.kid, alg = key.alg, use = "sig" }
      for name, value in pairs(key.jwk) do
        shown[name] = value
      end
      set[#set + 1] = shown
    end
  end
  return { keys = set }
end

return M
