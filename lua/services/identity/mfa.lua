--- The second step of a sign-in: a code of an authenticator app, or a recovery code.
--
-- A wrong code counts like a wrong password and locks in the same way. Attempts for one account run
-- one after the other, under the lock of its row: guesses at the same time cannot outrun the count.

local base32 = require("core.base32")
local crypto = require("core.crypto")
local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local qr = require("core.qr")
local sealed = require("core.sealed")
local time = require("core.time")
local audit = require("services.audit")
local credentials = require("services.identity.credentials")
local letters = require("services.identity.letters")
local lockout = require("services.identity.lockout")
local secrets = require("services.identity.secrets_store")
local store = require("services.identity.store")
local totp = require("services.identity.totp")

local M = {}

local SEAL, CODES_KEY = "identity.mfa", "identity.recovery"
local ISSUER = "Fixxit"
local CODES, CODE_BYTES = 10, 10 -- 80 bits each: nothing to guess

local function hash_of(user_id, code)
  local plain = code:upper():gsub("[^%w]", "")
  return crypto.hex(crypto.hmac("sha256", sealed.key(CODES_KEY), user_id .. ":" .. plain))
end

local function secret_of(user_id, factor)
  local secret = factor.mfa_secret and sealed.open(SEAL, factor.mfa_secret, user_id)
  return secret or errors.raise("CONFLICT", "Set the second step up first")
end

-- Whether the code is right; uses it up. In a transaction that holds the account's row.
local function accept(ctx, user_id, factor, input)
  if input.recoveryCode then
    return secrets.use_recovery_code(ctx, user_id, hash_of(user_id, input.recoveryCode))
  end
  local step = totp.match(secret_of(user_id, factor), input.code, time.now_ms(),
    factor.mfa_last_step)
  if step then
    secrets.set_factor_step(ctx, user_id, step)
  end
  return step ~= nil
end

--- Checks the second step of an account and uses the code up. Raises 401 INVALID_CODE, and 429
-- ACCOUNT_LOCKED after too many.
-- @param input code or recoveryCode
-- @param then_do called with the transaction's context when the code is right
-- @return what then_do returned
function M.prove(ctx, user, input, then_do)
  local refusal, result = db.transaction(ctx, function(tx_ctx)
    local factor = secrets.lock_factor(tx_ctx, user.id)
    local locked = lockout.find(tx_ctx, user.email)
    if locked then
      return locked
    end
    if not factor or not accept(tx_ctx, user.id, factor, input) then
      lockout.count(tx_ctx, user.email, user.id, input.recoveryCode and "recovery code" or "code")
      return errors.new("INVALID_CODE", "The code is wrong, or was used already")
    end
    return nil, then_do(tx_ctx)
  end)
  if refusal then -- raised out here: what was counted is committed
    error(refusal, 0)
  end
  return result
end

--- Makes a secret that comes into force with M.enable; 409 while another one is in force.
-- @return {secret, otpauthUrl, qrSvg}
function M.setup(ctx)
  local user = store.find_user(ctx, ctx.actor.user_id)
  local secret = totp.secret()
  if not secrets.set_factor_secret(ctx, user.id, sealed.seal(SEAL, secret, user.id)) then
    errors.raise("CONFLICT", "Two-step sign-in is on already: switch it off first")
  end
  local text, address = totp.address(secret, ISSUER, user.email)
  return { secret = text, otpauthUrl = address, qrSvg = qr.svg(address) }
end

local function new_codes(user_id)
  local codes, hashes = json.array({}), {}
  for i = 1, CODES do
    local text = base32.encode(crypto.random(CODE_BYTES))
    codes[i] = text:lower():gsub("....", "%0-"):sub(1, -2)
    hashes[i] = hash_of(user_id, codes[i])
  end
  return codes, hashes
end

--- Puts the secret of M.setup into force, proved by a code.
-- @return {recoveryCodes}: shown once
function M.enable(ctx, code)
  local user = store.find_user(ctx, ctx.actor.user_id)
  local codes, hashes = new_codes(user.id)
  db.transaction(ctx, function(tx_ctx)
    local factor = secrets.lock_factor(tx_ctx, user.id)
    if factor.mfa_enabled then
      errors.raise("CONFLICT", "Two-step sign-in is on already")
    end
    local step = totp.match(secret_of(user.id, factor), code, time.now_ms())
    if not step then
      errors.validation({ { field = "code", code = "wrong",
        message = "is not the code that the app shows now" } })
    end
    secrets.enable_factor(tx_ctx, user.id, step)
    secrets.put_recovery_codes(tx_ctx, user.id, hashes)
    letters.tell(tx_ctx, user, "factor_on")
    audit.write(tx_ctx, { action = "user.mfa_enable", resource_type = "user",
      resource_id = user.id })
  end)
  return { recoveryCodes = codes }
end

--- Switches it off, proved by the password and a code.
-- @param input password, and code or recoveryCode
function M.disable(ctx, input)
  local user = store.find_user(ctx, ctx.actor.user_id)
  if not user.mfa_enabled then
    errors.raise("CONFLICT", "Two-step sign-in is off")
  end
  credentials.confirm(ctx, user, input.password, "password")
  M.prove(ctx, user, input, function(tx_ctx)
    secrets.remove_factor(tx_ctx, user.id)
    letters.tell(tx_ctx, user, "factor_off")
    audit.write(tx_ctx, { action = "user.mfa_disable", resource_type = "user",
      resource_id = user.id })
  end)
end

return M
