--- Secrets that are good for one use: the links in mails, and the second step of a sign-in.

local errors = require("core.errors")
local json = require("core.json")
local store = require("services.identity.secrets_store")
local tokens = require("services.identity.tokens")

local M = {}

--- Makes one, in the caller's transaction.
-- @param data a table to find again when it is used, or nil
-- @return the secret
function M.issue(ctx, purpose, user_id, ttl_s, data)
  local secret, hash = tokens.secret()
  store.insert_one_time_token(ctx, { hash = hash, purpose = purpose, user_id = user_id,
    data = data and json.encode(data), ttl_s = ttl_s })
  return secret
end

local function refuse(code, message)
  errors.raise(code, message)
end

--- Whose secret it is, as {user_id, data}; raises when it was used, is unknown or too old. The
-- secret stays good: M.redeem is what uses it.
function M.find(ctx, purpose, secret)
  local row = store.find_one_time_token(ctx, tokens.digest(secret), purpose)
  if not row or row.used_at then
    refuse("INVALID_TOKEN", "The link or code was used already, or is not one of ours")
  elseif row.left_s <= 0 then
    refuse("GONE", "The link or code is too old: ask for a new one")
  end
  return { user_id = row.user_id, data = row.data and json.decode(row.data) or {} }
end

--- Uses the secret up, in the caller's transaction; raises as M.find does. Of any number of uses at
-- the same time one succeeds.
function M.redeem(ctx, purpose, secret)
  local found = M.find(ctx, purpose, secret)
  if not store.use_one_time_token(ctx, tokens.digest(secret), purpose) then
    refuse("INVALID_TOKEN", "The link or code was used already, or is not one of ours")
  end
  return found
end

return M
