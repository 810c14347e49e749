--- Failed sign-ins: five in a row lock an address, each lock twice as long as the one before.
-- Addresses without an account are counted and locked alike.

local errors = require("core.errors")
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

--- Counts a failure.
function M.count(ctx, email)
  store.add_failure(ctx, tokens.digest(email), FAILURES_MAX, LOCK_S)
end

--- Forgets the failures of an address.
function M.clear(ctx, email)
  store.clear_failures(ctx, tokens.digest(email))
end

return M
