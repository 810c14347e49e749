--- Signing up, in and out, and all that proves who somebody is. What people do with their accounts
-- is in account_routes, what administrators do in admin_routes, and keys
-- for programs are in api_key_routes.

local errors = require("core.errors")
local json = require("core.json")
local origin = require("core.origin")
local reply = require("core.reply")
local account_routes = require("services.identity.account_routes")
local admin_routes = require("services.identity.admin_routes")
local answers = require("services.identity.answers")
local api_key_routes = require("services.identity.api_key_routes")
local cookies = require("services.identity.cookies")
local keys = require("services.identity.keys")
local mfa = require("services.identity.mfa")
local schema = require("services.identity.schema")
local service = require("services.identity.service")
local sessions = require("services.identity.sessions")
local verification = require("services.identity.verification")
local workspace_routes = require("services.identity.workspace_routes")

-- With a cookie the refresh token stays out of the answer, and so out of reach of scripts.
local function into_cookie(answer, pair)
  answer.refreshToken = nil
  answer.csrfToken = pair.csrf
  return { headers = { ["Set-Cookie"] = cookies.set(pair.refresh, pair.csrf,
    pair.refresh_ttl_s) } }
end

local function register(ctx, input)
  return reply.created("/api/v1/users/profile", (service.register(ctx, input.body)))
end

local function login(ctx, input)
  local by_cookie = input.query.cookie
  local answer, pair = service.login(ctx, input.body, { cookie = by_cookie })
  return reply.ok(answer, by_cookie and into_cookie(answer, pair) or nil)
end

local function refresh(ctx, input)
  local given = input.body.refreshToken
  local from_cookie = not given and cookies.refresh(ctx)
  if not given and not from_cookie then
    errors.validation({ { field = "refreshToken", code = "required", message = "is required" } })
  end
  local csrf
  if from_cookie then
    if not origin.is_known(ctx) then
      errors.raise("FORBIDDEN", "A page of this origin may not use the cookie")
    end
    csrf = ctx.req:header("x-csrf-token") or false
  end
  local answer, pair = service.refresh(ctx, given or from_cookie, csrf)
  if from_cookie then
    pair.csrf = csrf
    return reply.ok(answer, into_cookie(answer, pair))
  end
  return reply.ok(answer)
end

local function logout(ctx, input)
  service.logout(ctx, input.body)
  return reply.ok(json.null,
    cookies.refresh(ctx) and { headers = { ["Set-Cookie"] = cookies.clear() } } or nil)
end

local function verify_factor(ctx, input)
  local by_cookie = input.query.cookie
  local answer, pair = service.verify_factor(ctx, input.body, { cookie = by_cookie })
  return reply.ok(answer, by_cookie and into_cookie(answer, pair) or nil)
end

local function forgot(ctx, input)
  verification.forgot(ctx, input.body.email:lower())
  return reply.with_status(202, json.null)
end

local routes = {
  { method = "POST", path = "/auth/register", summary = "Make an account.",
    permission = "public", rate = "register", secret = true, tenant = false, body = schema.register,
    answers = { [201] = "the account with its first tokens",
      [403] = "the invitation is for another address", [404] = "no such tenant or invitation",
      [409] = "EMAIL_TAKEN, or the invitation was used", [410] = "the invitation is too old" },
    returns = answers.signed_in,
    handler = register },
  { method = "POST", path = "/auth/login", summary = "Sign in with an address and a password.",
    permission = "public", rate = "login", secret = true, tenant = false, query = schema.cookie,
    body = schema.login,
    answers = { [200] = "the account with tokens",
      [401] = "INVALID_CREDENTIALS; MFA_REQUIRED with error.mfaToken", [429] = "ACCOUNT_LOCKED" },
    returns = answers.signed_in,
    handler = login },
  { method = "POST", path = "/auth/logout", summary = "End this session, or all of mine.",
    permission = "user", tenant = false, body = schema.logout,
    answers = { [200] = "ended" }, returns = false, handler = logout },
  { method = "POST", path = "/auth/mfa/verify", summary = "The second step of signing in.",
    permission = "public", rate = "login", secret = true, tenant = false, authenticate = false,
    query = schema.cookie, body = schema.verify_factor,
    answers = { [200] = "the account with tokens", [400] = "INVALID_TOKEN", [401] = "INVALID_CODE",
      [410] = "the sign-in took too long", [429] = "ACCOUNT_LOCKED" },
    returns = answers.signed_in,
    handler = verify_factor },
  { method = "POST", path = "/auth/mfa/setup", summary = "Begin to use an authenticator app.",
    permission = "user", secret = true, tenant = false, body = schema.nothing,
    answers = { [200] = "secret, otpauthUrl and qrSvg", [409] = "it is on already" },
    returns = answers.factor,
    handler = function(ctx)
      return reply.ok(mfa.setup(ctx))
    end },
  { method = "POST", path = "/auth/mfa/enable", summary = "Ask for codes of that app from now on.",
    permission = "user", secret = true, tenant = false, body = schema.enable_factor,
    answers = { [200] = "recoveryCodes, shown once", [400] = "the code is wrong",
      [409] = "not set up, or on already" },
    returns = answers.recovery_codes,
    handler = function(ctx, input)
      return reply.ok(mfa.enable(ctx, input.body.code))
    end },
  { method = "POST", path = "/auth/mfa/disable", summary = "Ask for the password alone again.",
    permission = "user", rate = "login", tenant = false, body = schema.disable_factor,
    answers = { [200] = "off", [400] = "the password is wrong", [401] = "INVALID_CODE",
      [409] = "it is off", [429] = "ACCOUNT_LOCKED" },
    returns = false,
    handler = function(ctx, input)
      mfa.disable(ctx, input.body)
      return reply.ok(json.null)
    end },
  { method = "POST", path = "/auth/forgot-password", summary = "Ask for a mail with which to "
      .. "choose a new password. The answer is the same for all addresses.",
    permission = "public", rate = "forgot", tenant = false, authenticate = false,
    body = schema.forgot, answers = { [202] = "sent, if there is such an account" },
    returns = false,
    handler = forgot },
  { method = "POST", path = "/auth/reset-password", summary = "Choose a new password by a mail.",
    permission = "public", rate = "forgot", tenant = false, authenticate = false,
    secret = true, body = schema.reset,
    answers = { [200] = "changed; all sessions have ended",
      [400] = "INVALID_TOKEN, or the password is not accepted", [410] = "the link is too old" },
    returns = false,
    handler = function(ctx, input)
      verification.reset(ctx, input.body)
      return reply.ok(json.null)
    end },
  { method = "POST", path = "/auth/verify-email", summary = "Confirm an address by a mail.",
    permission = "public", rate = "forgot", tenant = false, authenticate = false,
    body = schema.verify,
    answers = { [200] = "confirmed", [400] = "INVALID_TOKEN", [410] = "the link is too old" },
    returns = answers.verified,
    handler = function(ctx, input)
      verification.verify(ctx, input.body.token)
      return reply.ok({ emailVerified = true })
    end },
  { method = "POST", path = "/auth/resend-verification", summary = "Send that mail again.",
    permission = "user", rate = "forgot", tenant = false, body = schema.nothing,
    answers = { [202] = "sent", [409] = "the address is confirmed already" },
    returns = false,
    handler = function(ctx)
      verification.resend(ctx)
      return reply.with_status(202, json.null)
    end },
  { method = "GET", path = "/auth/sessions", summary = "Where I am signed in.",
    permission = "user", tenant = false, answers = { [200] = "sessions, the latest used first" },
    returns = answers.sessions,
    handler = function(ctx)
      return reply.ok(sessions.list(ctx))
    end },
  { method = "DELETE", path = "/auth/sessions/:id", summary = "Sign out there.",
    permission = "user", tenant = false,
    answers = { [200] = "ended", [404] = "no such session of mine" },
    returns = false,
    handler = function(ctx, input)
      sessions.end_one(ctx, input.params.id)
      return reply.ok(json.null)
    end },
  { method = "GET", path = "/.well-known/jwks.json", base = "", summary = "The public keys with "
      .. "which access tokens can be checked.",
    permission = "public", rate = "open", tenant = false, authenticate = false,
    answers = { [200] = "a JWK set (RFC 7517)" },
    content = answers.KEY_SET,
    handler = function()
      return reply.raw(200, { ["Content-Type"] = "application/jwk-set+json",
        ["Cache-Control"] = "public, max-age=300" }, json.encode(keys.public_set()))
    end },
}

-- The same call under two names.
for _, path in ipairs({ "/auth/refresh", "/auth/refresh-token" }) do
  routes[#routes + 1] = { method = "POST", path = path,
    summary = "Exchange the refresh token for new tokens: the one given, or that of the cookie.",
    permission = "public", rate = "refresh", secret = true, tenant = false, authenticate = false,
    body = schema.refresh,
    answers = { [200] = "new tokens", [401] = "TOKEN_REUSED, or not valid",
      [403] = "the token came in a cookie: without its X-CSRF-Token, or from a page of elsewhere" },
    returns = answers.signed_in, handler = refresh }
end

for _, list in ipairs({ account_routes, admin_routes, api_key_routes, workspace_routes }) do
  for _, route in ipairs(list) do
    routes[#routes + 1] = route
  end
end

return routes
