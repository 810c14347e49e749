--- What is proved by having a mailbox: that an address is one's own, and, where the password is
-- lost, that one is its owner.

local crypto = require("core.crypto")
local db = require("core.db")
local errors = require("core.errors")
local sealed = require("core.sealed")
local uuid = require("core.uuid")
local audit = require("services.audit")
local jobs = require("services.jobs")
local letters = require("services.identity.letters")
local one_time = require("services.identity.one_time")
local passwords = require("services.identity.passwords")
local secrets = require("services.identity.secrets_store")
local sessions = require("services.identity.sessions")
local store = require("services.identity.store")
local tokens = require("services.identity.tokens")
local workspaces = require("services.identity.workspaces")

local M = {}

--- The job that M.forgot asks for.
M.RESET_JOB = "identity.send_reset"

local VERIFY, RESET = "verify", "reset"
local VERIFY_TTL_S, RESET_TTL_S = 86400, 3600
local RESETS_PER_HOUR = 3
local SEAL = "identity.forgot"

--- Sends the mail that asks for a confirmation, in the caller's transaction.
function M.send(ctx, user)
  local secret = one_time.issue(ctx, VERIFY, user.id, VERIFY_TTL_S, { address = user.email })
  letters.send_link(ctx, user, "verify", "verify-email", secret)
end

--- Sends it again; 409 when the address is confirmed already.
function M.resend(ctx)
  local user = store.find_user(ctx, ctx.actor.user_id)
  if user.email_verified then
    errors.raise("CONFLICT", "Your address is confirmed already")
  end
  db.transaction(ctx, function(tx_ctx)
    M.send(tx_ctx, user)
  end)
end

local function as_owner(ctx, user)
  return ctx:with({ actor = { kind = "user", user_id = user.id, permissions = {} } })
end

-- Who has an address of a tenant's own domain works there.
local function join_by_domain(ctx, user)
  local tenant = store.find_tenant(ctx, "domain", user.email:match("@(.*)$"))
  if not tenant then
    return
  end
  if store.join_as_member(ctx, { id = uuid.v7(), user_id = user.id, tenant_id = tenant.id }) then
    store.set_employee(ctx, user.id)
    workspaces.joined(ctx:with({ tenant = { id = tenant.id } }), user.id, "member", "domain")
  end
end

--- Confirms the address that a mail's secret was sent to.
function M.verify(ctx, secret)
  db.transaction(ctx, function(tx_ctx)
    local token = one_time.redeem(tx_ctx, VERIFY, secret)
    local user = store.find_user(tx_ctx, token.user_id)
    if not user or user.email ~= token.data.address then
      errors.raise("INVALID_TOKEN", "The link belongs to another address")
    end
    store.set_verified(tx_ctx, user.id)
    local own = as_owner(tx_ctx, user)
    audit.write(own, { action = "user.verify", resource_type = "user", resource_id = user.id,
      new = { emailVerified = true } })
    join_by_domain(own, user)
  end)
end

--- Asks for a new password. Who has an account is looked up later, in a job: the answer and its
-- time are the same for all addresses.
function M.forgot(ctx, email)
  db.transaction(ctx, function(tx_ctx)
    local hash = tokens.digest(email)
    jobs.enqueue(tx_ctx:with({ tenant = false }), M.RESET_JOB,
      { address = crypto.base64(sealed.seal(SEAL, email, hash)), hash = hash }, { unique = hash })
  end)
end

--- The job of M.forgot: sends the mail if there is somebody to send it to.
function M.send_reset(ctx, payload)
  local email = sealed.open(SEAL, crypto.unbase64(payload.address) or "", payload.hash)
  local user = email and store.find_user_by_email(ctx, email)
  if not user or user.status ~= "active"
    or secrets.count_recent_tokens(ctx, user.id, RESET) >= RESETS_PER_HOUR then
    return
  end
  db.transaction(ctx, function(tx_ctx)
    local secret = one_time.issue(tx_ctx, RESET, user.id, RESET_TTL_S)
    letters.send_link(tx_ctx, user, "reset", "reset-password", secret)
    audit.write(tx_ctx, { action = "auth.forgot", resource_type = "user", resource_id = user.id })
  end)
end

--- Sets a new password by a mail's secret; ends all sessions and any lock. Having read the mail
-- also confirms the address.
-- @param input token, password
function M.reset(ctx, input)
  local token = one_time.find(ctx, RESET, input.token)
  local user = store.find_user(ctx, token.user_id)
  if not user or user.status ~= "active" then
    errors.raise("INVALID_TOKEN", "The link was used already, or is not one of ours")
  end
  passwords.check(input.password, "password", { user.email, user.email:match("^[^@]+") })
  local hash = passwords.hash(input.password)
  db.transaction(ctx, function(tx_ctx)
    one_time.redeem(tx_ctx, RESET, input.token)
    secrets.end_one_time_tokens(tx_ctx, user.id)
    store.set_password(tx_ctx, user.id, hash)
    store.set_verified(tx_ctx, user.id)
    store.clear_failures(tx_ctx, tokens.digest(user.email))
    sessions.close_all(tx_ctx, user.id, "password")
    letters.tell(tx_ctx, user, "password_changed")
    audit.write(as_owner(tx_ctx, user), { action = "user.password_reset", resource_type = "user",
      resource_id = user.id })
  end)
end

return M
