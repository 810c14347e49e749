--- Who a request comes from: an access token or an API key, where there is one.

local errors = require("core.errors")
local key_standing = require("services.identity.key_standing")
local standing = require("services.identity.standing")
local tokens = require("services.identity.tokens")

local M = {}

jit.on(true, true) -- every request goes through it

local BEARER = "Bearer " -- as most write it

local function bearer(header)
  local token = header:sub(1, #BEARER) == BEARER and header:sub(#BEARER + 1)
  if token and tokens.is_known(token) then
    return token
  end
  return header:match("^[Bb][Ee][Aa][Rr][Ee][Rr] +([%w%-_.]+)%s*$")
    or errors.raise("UNAUTHORIZED", "Authorization must be a bearer token")
end

--- The hook of core.app: sets ctx.actor and, when the token or key names one, ctx.tenant.
function M.authenticate(ctx)
  local req = ctx.req
  local header = req and req:header("authorization")
  if header then
    ctx.actor, ctx.tenant = standing.of_token(ctx, bearer(header))
    return
  end
  local key = req and req:header("x-api-key")
  if key then
    ctx.actor, ctx.tenant = key_standing.of_key(ctx, key)
  end
end

return M
