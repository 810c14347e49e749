--- One's own account.

local errors = require("core.errors")
local etag = require("core.etag")
local json = require("core.json")
local paging = require("core.paging")
local reply = require("core.reply")
local audit = require("services.audit")
local answers = require("services.identity.answers")
local export = require("services.identity.export")
local profile = require("services.identity.profile")
local schema = require("services.identity.schema")
local service = require("services.identity.service")

local AVATAR_HEADERS = { ["Cache-Control"] = "private, max-age=300",
  ["Content-Security-Policy"] = "default-src 'none'; sandbox" }

local function answer(person)
  return reply.ok(person, { etag = etag.of_shown(person) })
end

local function show_profile(ctx)
  return answer(profile.get(ctx))
end

local function check_match(ctx)
  if ctx.req:header("if-match") then
    reply.require_match(ctx, etag.of_shown(profile.get(ctx)))
  end
end

local function change_profile(ctx, input)
  check_match(ctx)
  return answer(profile.update(ctx, input.body))
end

local function deactivate(ctx)
  check_match(ctx)
  profile.deactivate(ctx)
  return reply.ok(json.null)
end

local function set_avatar(ctx, input)
  local upload = input.files and input.files.avatar and input.files.avatar[1]
  if not upload then
    errors.validation({ { field = "avatar", code = "required", message = "is required" } })
  end
  check_match(ctx)
  return answer(profile.set_avatar(ctx, upload))
end

local function show_avatar(ctx, input)
  local file = profile.find_avatar(ctx, input.params.id)
  return reply.file({ path = file.path, type = file.type, size = file.size, etag = file.sha256,
    headers = AVATAR_HEADERS })
end

local function ask_for_export(ctx)
  local asked, location = export.ask(ctx)
  return reply.accepted(location, asked)
end

local function download_export(ctx, input)
  local file = export.file(ctx, input.params.id)
  return reply.file({ path = file.path, type = file.type, size = file.size, etag = file.sha256,
    name = "my-data.zip", disposition = "attachment",
    headers = { ["Cache-Control"] = "no-store" } })
end

local ACTIVITY = paging.query_schema({ sorts = { "createdAt" } })

local function list_activity(ctx, input)
  local entries, meta = audit.list_of(ctx, ctx.actor.user_id, input.query)
  return reply.ok(entries, { meta = meta })
end

local routes = {
  { method = "GET", path = "/users/tenants", summary = "The tenants that I am a member of.",
    permission = "user", tenant = false, answers = { [200] = "tenants with my role" },
    returns = answers.tenants,
    handler = function(ctx)
      return reply.ok(profile.list_tenants(ctx))
    end },
  { method = "POST", path = "/users/switch-tenant", summary = "Act in another of my tenants.",
    permission = "user", secret = true, tenant = false, body = schema.switch,
    answers = { [200] = "the account with tokens for that tenant", [403] = "not a member" },
    returns = answers.signed_in,
    handler = function(ctx, input)
      return reply.ok((service.switch_tenant(ctx, input.body.tenantId)))
    end },
  { method = "GET", path = "/users/stats", summary = "My account in numbers.",
    permission = "user", tenant = false, answers = { [200] = "numbers by name" },
    returns = answers.numbers,
    handler = function(ctx)
      return reply.ok(profile.stats(ctx))
    end },
  { method = "GET", path = "/users/activity", summary = "What I did, newest first.",
    permission = "user", tenant = false, query = ACTIVITY,
    answers = { [200] = "entries of the audit trail" },
    returns = answers.activity, handler = list_activity },
  { method = "POST", path = "/users/export-data",
    summary = "Ask for a copy of all my data, as a ZIP.", permission = "user", tenant = false,
    body = schema.nothing,
    answers = { [202] = "being made; Location tells how far it is" },
    returns = answers.export, handler = ask_for_export },
  { method = "GET", path = "/users/export-data/:id", summary = "How far the copy of my data is.",
    permission = "user", tenant = false,
    answers = { [200] = "status: waiting, done or failed", [404] = "no such copy of mine" },
    returns = answers.export,
    handler = function(ctx, input)
      return reply.ok(export.get(ctx, input.params.id))
    end },
  { method = "GET", path = "/users/export-data/:id/download", summary = "The copy of my data.",
    permission = "user", tenant = false,
    answers = { [200] = "a ZIP", [404] = "no such copy of mine", [409] = "not ready yet" },
    content = { type = "application/zip" }, versioned = true,
    handler = download_export },
  { method = "DELETE", path = "/users/delete-account", summary = "Erase my account for good.",
    permission = "user", rate = "login", tenant = false, body = schema.delete_account,
    answers = { [200] = "erased", [400] = "the password is wrong",
      [409] = "the last owner of a tenant" },
    returns = false,
    handler = function(ctx, input)
      profile.erase(ctx, input.body.password)
      return reply.ok(json.null)
    end },
  { method = "GET", path = "/users/:id/avatar", summary = "The picture of me, or of somebody who "
      .. "shares a tenant with me.",
    permission = "user", tenant = false,
    answers = { [200] = "a WebP of 256 px", [404] = "no picture that I may see" },
    content = { type = "image/webp" }, versioned = true,
    handler = show_avatar },
}

-- The same account under two names.
for _, path in ipairs({ "/users/profile", "/users/me" }) do
  local function add(method, summary, meanings, handler, more)
    local route = { method = method, path = path .. (more.path or ""), summary = summary,
      permission = "user", tenant = false, answers = meanings, returns = more.returns,
      versioned = true, handler = handler, body = more.body,
      multipart = more.multipart, keys = method == "GET" }
    routes[#routes + 1] = route
  end
  add("GET", "My account.", { [200] = "the account" }, show_profile, { returns = answers.self })
  add("PUT", "Change my account.", { [200] = "the account" }, change_profile,
    { body = schema.profile, returns = answers.self })
  add("DELETE", "Deactivate my account; an administrator can bring it back.",
    { [200] = "deactivated", [409] = "the last owner of a tenant" }, deactivate,
    { returns = false })
  add("POST", "Set my picture.", { [200] = "the account" }, set_avatar,
    { path = "/avatar", multipart = { avatar = { max = 1, required = true } },
      returns = answers.self })
end

return routes
