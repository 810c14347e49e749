--- Who knows an account's password.

local errors = require("core.errors")
local lockout = require("services.identity.lockout")
local passwords = require("services.identity.passwords")
local store = require("services.identity.store")

local M = {}

--- The user whose address and password these are. Known and unknown addresses are counted, locked
-- and answered alike, in the same time. The failures of before stay counted: the sign-in may need
-- another step.
function M.prove(ctx, email, password)
  lockout.check(ctx, email)
  local user = store.find_user_by_email(ctx, email)
  if not passwords.verify(password, user and user.password_hash) then
    lockout.count(ctx, email, user and user.id, "password")
    errors.raise("INVALID_CREDENTIALS", "The address or the password is wrong")
  end
  lockout.check(ctx, email) -- guesses beside this one may have locked it
  if user.status ~= "active" then
    errors.raise("FORBIDDEN", "The account is not active")
  end
  return user
end

--- Asks somebody who is signed in for the password again. A wrong one is 400 naming the field, and
-- counts: a stolen session must not be good for guessing.
function M.confirm(ctx, user, password, field)
  lockout.check(ctx, user.email)
  if not passwords.verify(password or "", user.password_hash) then
    lockout.count(ctx, user.email, user.id, "password")
    errors.validation({ { field = field, code = "wrong", message = "is not your password" } })
  end
end

return M
