--- Failed sign-ins: five in a row lock an address, each lock twice as long as the one before.
-- Addresses without an account are counted and locked alike.

local db = require("core.db")
local errors = require("core.errors")
local audit = require("services.audit")
local store = require("services.identity.store")
local tokens = require("services.identity.tokens")

local M = {}

local FAILURES_MAX = 5
local LOCK_S = 900

--- The refusal while an address is locked, as an error to raise; nil when it is not.
function M.find(ctx, email)
  local left_s = store.find_lock_s(ctx, tokens.digest(email))
  return left_s and errors.new("ACCOUNT_LOCKED", "Too many failed sign-ins: try again later",
    { headers = { ["Retry-After"] = tostring(left_s) } })
end

--- Raises 429 while an address is locked.
function M.check(ctx, email)
  local refusal = M.find(ctx, email)
  if refusal then
    error(refusal, 0)
  end
end

--- Counts a failure, and writes it down.
-- @param user_id whose account it is, nil when there is none of this address
-- @param by what was wrong: "password", "code", "recovery code"
function M.count(ctx, email, user_id, by)
  db.transaction(ctx, function(tx_ctx)
    local locked = store.add_failure(tx_ctx, tokens.digest(email), FAILURES_MAX, LOCK_S)
    audit.write(tx_ctx, { action = "auth.refuse", resource_type = "user", resource_id = user_id,
      new = { by = by, locked = locked } })
  end)
end

--- Forgets the failures of an address.
function M.clear(ctx, email)
  store.clear_failures(ctx, tokens.digest(email))
end

return M
