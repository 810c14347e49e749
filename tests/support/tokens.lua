--- Access tokens made outside the server, with keys of openssl's command line.
local basexx = require("basexx")
local cjson = require("cjson.safe")
local digest = require("openssl.digest")
local hmac = require("openssl.hmac")
local pkey = require("openssl.pkey")
local servers = require("tests.support.server")

local M = {}

-- The two numbers of a DER signature, each as 32 bytes (RFC 7518 section 3.4).
local function raw_signature(der)
  local function number(at)
    local length = der:byte(at + 1)
    local bytes = der:sub(at + 2, at + 1 + length):gsub("^%z+", "")
    return ("\0"):rep(32 - #bytes) .. bytes, at + 2 + length
  end
  local r, next_at = number(3)
  return r .. number(next_at)
end

local function with_secret(hash)
  return function(key, text)
    return hmac.new(key, hash):final(text)
  end
end

local SIGN = {
  HS256 = with_secret("sha256"), HS384 = with_secret("sha384"), HS512 = with_secret("sha512"),
  RS256 = function(key, text)
    return pkey.new(key):sign(digest.new("sha256"):update(text))
  end,
  ES256 = function(key, text)
    return raw_signature(pkey.new(key):sign(digest.new("sha256"):update(text)))
  end,
}

local function text_of(part)
  return type(part) == "string" and part or cjson.encode(part)
end

--- A token of any header and claims (tables, or the JSON text itself).
-- @param alg how it is truly signed, whatever the header says
-- @param key a shared secret, or a private key as PEM
function M.sign(header, claims, alg, key)
  local text = basexx.to_url64(text_of(header)) .. "." .. basexx.to_url64(text_of(claims))
  return text .. "." .. basexx.to_url64(SIGN[alg](key, text))
end

--- The header and the claims of a token.
function M.read(token)
  local header, claims = token:match("^([^.]+)%.([^.]+)%.")
  return cjson.decode(basexx.from_url64(header)), cjson.decode(basexx.from_url64(claims))
end

--- A copy of a table with other values; cjson.null stands for none.
local function copy(from, changes)
  local made = {}
  for name, value in pairs(from) do
    made[name] = value
  end
  for name, value in pairs(changes) do
    made[name] = value ~= cjson.null and value or nil
  end
  return made
end
M.copy = copy

-- What a header may not say, other than the name of our key.
local HEADERS = {
  ["no alg"] = { alg = cjson.null }, ["alg none"] = { alg = "none" }, ["alg NONE"] = { alg = "NONE" },
  ["an alg that is empty"] = { alg = "" }, ["an alg that is a list"] = { alg = { "HS256" } },
  ["an alg of another length"] = { alg = "HS512" }, ["a crit"] = { crit = { "exp" } },
  ["no kid"] = { kid = cjson.null }, ["a kid that is a number"] = { kid = 1 },
  ["a kid that is a list"] = { kid = { "k-1" } }, ["a kid that is an object"] = { kid = { k = "k-1" } },
  ["a kid that is true"] = { kid = true },
}
for _, kid in ipairs({ "../../../../dev/null", "k-1' OR '1'='1", "", "k-2", "K-1", "/proc/self/environ",
  "__index", ("k"):rep(4000) }) do
  HEADERS["the kid " .. kid:sub(1, 20)] = { kid = kid }
end

-- What the claims may not say.
local CLAIMS = {
  ["another issuer"] = { iss = "another" }, ["no issuer"] = { iss = cjson.null },
  ["another audience"] = { aud = "another" }, ["no audience"] = { aud = cjson.null },
  ["a future iat"] = { iat = os.time() + 600 }, ["an nbf to come"] = { nbf = os.time() + 600 },
  ["an end that has come"] = { exp = os.time() - 1 }, ["no end"] = { exp = cjson.null },
  ["an end that is a text"] = { exp = "9999999999" }, ["more than any token"] = { pad = ("x"):rep(7000) },
  ["no session"] = { sid = cjson.null }, ["a session that is a number"] = { sid = 5 },
  ["a session that is an object"] = { sid = {} }, ["no tenant"] = { tid = cjson.null },
}

local function without_alg(of)
  return basexx.to_url64(cjson.encode(copy(of.header, { alg = "none" }))) .. of.token:match("%.[^.]+%.")
end

--- Tokens that must not hold: what it is -> function(of) that makes it of a good one, `of` = {token,
-- header, claims, alg, key = with which it was signed, other = a key of the same kind}.
M.FORGERIES = {
  ["alg none and no signature"] = without_alg,
  ["alg none and a signature of ours"] = function(of)
    return without_alg(of) .. of.token:match("[^.]+$")
  end,
  ["another key under our kid"] = function(of)
    return M.sign(of.header, of.claims, of.alg, of.other)
  end,
  ["its own key, brought along"] = function(of)
    return M.sign(copy(of.header, { jwk = { kty = "RSA", n = "AQAB", e = "AQAB" }, jku = "http://127.0.0.1/",
      x5u = "http://127.0.0.1/", x5c = { "AAAA" } }), of.claims, of.alg, of.other)
  end,
  ["our kid and a NUL behind it"] = function(of)
    return M.sign(copy(of.header, { kid = of.header.kid .. "\0" }), of.claims, of.alg, of.key)
  end,
  ["a claim said twice"] = function(of)
    return M.sign(of.header, cjson.encode(of.claims):sub(1, -2) .. ',"sub":"' .. of.claims.sub .. '"}',
      of.alg, of.key)
  end,
  ["a header said twice"] = function(of)
    return M.sign(cjson.encode(of.header):sub(1, -2) .. ',"alg":"none"}', of.claims, of.alg, of.key)
  end,
  ["a signature that is cut"] = function(of) return of.token:sub(1, -10) end,
  ["a signature without its last character"] = function(of) return of.token:sub(1, -2) end,
  ["a signature with one character more"] = function(of) return of.token .. "A" end,
  ["padding"] = function(of) return of.token .. "=" end,
  ["a fourth part"] = function(of) return of.token .. ".x" end,
  ["two parts alone"] = function(of) return of.token:match("^(.+)%.") end,
  ["an empty signature"] = function(of) return of.token:match("^.+%.") end,
}
for what, changes in pairs(HEADERS) do
  M.FORGERIES[what] = function(of)
    return M.sign(copy(of.header, changes), of.claims, of.alg, of.key)
  end
end
for what, changes in pairs(CLAIMS) do
  M.FORGERIES[what] = function(of)
    return M.sign(of.header, copy(of.claims, changes), of.alg, of.key)
  end
end
for _, text in ipairs({ "[]", "null", "{", '"x"', "" }) do
  M.FORGERIES["claims that are '" .. text .. "'"] = function(of)
    return M.sign(of.header, text, of.alg, of.key)
  end
  M.FORGERIES["a header that is '" .. text .. "'"] = function(of)
    return M.sign(text, of.claims, of.alg, of.key)
  end
end

local OPTIONS = { RS256 = "RSA -pkeyopt rsa_keygen_bits:2048", ES256 = "EC -pkeyopt ec_paramgen_curve:P-256" }

--- Makes a key pair: path.pem and path.pub.pem. @return the texts of both
function M.new_key(path, alg)
  local code, output = servers.shell(("openssl genpkey -algorithm %s -out %s.pem && openssl pkey -in %s.pem "
    .. "-pubout -out %s.pub.pem"):format(OPTIONS[alg], path, path, path))
  assert(code == 0, output)
  return servers.read_file(path .. ".pem"), servers.read_file(path .. ".pub.pem")
end

return M
