--- Signing up, in and out; one's own account; the tenant's people.

local errors = require("core.errors")
local etag = require("core.etag")
local json = require("core.json")
local paging = require("core.paging")
local reply = require("core.reply")
local s = require("core.schema")
local answers = require("services.identity.answers")
local cookies = require("services.identity.cookies")
local people = require("services.identity.people")
local schema = require("services.identity.schema")
local service = require("services.identity.service")

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

local function answer(person)
  return reply.ok(person, { etag = etag.of_shown(person) })
end

local function show_profile(ctx)
  return answer(service.profile(ctx))
end

local function change_profile(ctx, input)
  if ctx.req:header("if-match") then
    reply.require_match(ctx, etag.of_shown(service.profile(ctx)))
  end
  return answer(service.update_profile(ctx, input.body))
end

local MEMBERS = paging.query_schema({
  sorts = people.SORTS,
  filters = {
    role = s.list({ of = s.string({ min = 1, max = 63 }), optional = true }),
    q = s.string({ min = 1, max = 100, trim = true, optional = true }),
  },
})

local SEARCH = paging.query_schema({
  filters = { q = s.string({ min = 1, max = 100, trim = true }) },
})

local function list_members(ctx, input)
  local members, meta = people.list(ctx, input.query)
  return reply.ok(members, { meta = meta })
end

local routes = {
  { method = "POST", path = "/auth/register", summary = "Make an account.",
    permission = "public", rate = "register", secret = true, tenant = false, body = schema.register,
    answers = { [201] = "the account with its first tokens", [409] = "EMAIL_TAKEN" },
    returns = answers.signed_in,
    handler = register },
  { method = "POST", path = "/auth/login", summary = "Sign in with an address and a password.",
    permission = "public", rate = "login", secret = true, tenant = false, query = schema.cookie,
    body = schema.login,
    answers = { [200] = "the account with tokens", [401] = "INVALID_CREDENTIALS",
      [429] = "ACCOUNT_LOCKED" },
    returns = answers.signed_in,
    handler = login },
  { method = "POST", path = "/auth/logout", summary = "End this session, or all of mine.",
    permission = "user", tenant = false, body = schema.logout,
    answers = { [200] = "ended" },
    returns = false, handler = logout },
  { method = "GET", path = "/users/tenants", summary = "The tenants that I am a member of.",
    permission = "user", tenant = false, answers = { [200] = "tenants with my role" },
    returns = answers.tenants,
    handler = function(ctx)
      return reply.ok(service.list_tenants(ctx))
    end },
  { method = "POST", path = "/users/switch-tenant", summary = "Act in another of my tenants.",
    permission = "user", secret = true, tenant = false, body = schema.switch,
    answers = { [200] = "the account with tokens for that tenant", [403] = "not a member" },
    returns = answers.signed_in,
    handler = function(ctx, input)
      return reply.ok((service.switch_tenant(ctx, input.body.tenantId)))
    end },
  { method = "GET", path = "/users", summary = "The members of the tenant, by name.",
    permission = "users.read", query = MEMBERS, answers = { [200] = "members" },
    returns = answers.members,
    handler = list_members },
  { method = "GET", path = "/users/search", summary = "Members whose name or address begins so.",
    permission = "users.read", query = SEARCH, answers = { [200] = "members" },
    returns = answers.members,
    handler = list_members },
  { method = "GET", path = "/users/:id", summary = "A member of the tenant.",
    permission = "users.read", answers = { [200] = "the member", [404] = "no such member" },
    returns = answers.member, versioned = true,
    handler = function(ctx, input)
      return answer(people.get(ctx, input.params.id))
    end },
}

-- The same call under two names.
for _, path in ipairs({ "/auth/refresh", "/auth/refresh-token" }) do
  routes[#routes + 1] = { method = "POST", path = path,
    summary = "Exchange the refresh token for new tokens.", permission = "public", rate = "refresh",
    secret = true, tenant = false, authenticate = false, body = schema.refresh,
    answers = { [200] = "new tokens", [401] = "TOKEN_REUSED, or not valid" },
    returns = answers.signed_in, handler = refresh }
end
for _, path in ipairs({ "/users/profile", "/users/me" }) do
  routes[#routes + 1] = { method = "GET", path = path, summary = "My account.",
    permission = "user", tenant = false, answers = { [200] = "the account" },
    returns = answers.self, versioned = true,
    handler = show_profile }
  routes[#routes + 1] = { method = "PUT", path = path, summary = "Change my account.",
    permission = "user", tenant = false, body = schema.profile,
    answers = { [200] = "the account" },
    returns = answers.self, versioned = true, handler = change_profile }
end

return routes
