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

local SIGN = {
  HS256 = function(key, text)
    return hmac.new(key, "sha256"):final(text)
  end,
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

local OPTIONS = { RS256 = "RSA -pkeyopt rsa_keygen_bits:2048", ES256 = "EC -pkeyopt ec_paramgen_curve:P-256" }

--- Makes a key pair: path.pem and path.pub.pem. @return the texts of both
function M.new_key(path, alg)
  local code, output = servers.shell(("openssl genpkey -algorithm %s -out %s.pem && openssl pkey -in %s.pem "
    .. "-pubout -out %s.pub.pem"):format(OPTIONS[alg], path, path, path))
  assert(code == 0, output)
  return servers.read_file(path .. ".pem"), servers.read_file(path .. ".pub.pem")
end

return M
