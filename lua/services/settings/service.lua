--- A tenant's settings. Whoever reads them in a request has them from ctx.tenant, which is kept in
-- memory until a change is announced.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local registry = require("core.registry")
local zone = require("core.zone")
local audit = require("services.audit")
local identity = require("services.identity")
local store = require("services.settings.store")

local M = {}

local UTC = "UTC"

-- Settings in the JSON column of this name; branding, time zone and domain have their own.
local IN_JSON = { "languages", "businessHours", "holidays", "categories", "slaHours", "escalation",
  "scripts" }

-- Where anybody can have an address: no tenant's own.
local FOR_ANYBODY = {}
for _, domain in ipairs({ "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com",
  "yahoo.com", "icloud.com", "me.com", "aol.com", "gmx.de", "gmx.net", "gmx.com", "web.de",
  "proton.me", "protonmail.com", "mail.com", "mail.ru", "yandex.ru", "qq.com", "163.com",
  "libero.it", "orange.fr", "t-online.de" }) do
  FOR_ANYBODY[domain] = true
end

local function or_null(value)
  if value == nil then
    return json.null
  end
  return value
end

local function shown(row)
  local kept = json.decode(row.settings)
  local settings = {
    branding = json.raw(row.branding_config),
    timezone = row.timezone,
    emailDomain = or_null(row.domain),
  }
  for _, name in ipairs(IN_JSON) do
    settings[name] = or_null(kept[name])
  end
  return settings
end

--- The time zone of the context's tenant and its settings, as ctx.tenant has them, but read now.
function M.current(ctx)
  local row = store.find(ctx)
  return row.timezone, json.decode(row.settings)
end

--- The settings of the context's tenant.
function M.get(ctx)
  return shown(store.find(ctx))
end

-- Addresses of a tenant's domain become members of it: so it must be the caller's own.
local function domain_problem(ctx, domain)
  local address = not ctx.actor.platform_admin and store.find_address(ctx, ctx.actor.user_id)
  if FOR_ANYBODY[domain] then
    return "must be a domain of your own: anybody can have an address there"
  elseif not ctx.actor.platform_admin and (address or ""):match("@(.*)$") ~= domain then
    return "must be the domain of your own confirmed address"
  end
end

--- Checks what a schema cannot tell; called with the other checks, so that all is told at once.
function M.check(ctx, input, problem)
  local body = input.body or {}
  zone.check(body.timezone, "timezone", problem)
  local domain = body.emailDomain
  local wrong = type(domain) == "string" and domain ~= store.find(ctx).domain
    and domain_problem(ctx, domain)
  if wrong then
    problem("emailDomain", "check", wrong)
  end
end

-- What a value becomes: `default` when it was taken back, `now` when nothing was said of it.
local function changed(given, now, default)
  if given == nil then
    return now
  elseif given == json.null then
    return default
  end
  return given
end

local function merged(row, changes)
  local kept = json.decode(row.settings)
  for _, name in ipairs(IN_JSON) do
    kept[name] = changed(changes[name], kept[name], nil)
  end
  local branding = changes.branding
  return {
    branding_config = changed(branding and branding ~= json.null and json.encode(branding)
      or branding, row.branding_config, "{}"),
    timezone = changed(changes.timezone, row.timezone, UTC),
    domain = changed(changes.emailDomain, row.domain, nil),
    settings = json.encode(json.object(kept)),
  }
end

--- Changes the settings that are named; null takes one back.
-- @param changes of schema.changes
-- @param verify called with the settings as they are, locked
function M.update(ctx, changes, verify)
  db.transaction(ctx, function(tx_ctx)
    local row = store.find(tx_ctx, true)
    verify(shown(row))
    local after = merged(row, changes)
    local ok, err = pcall(store.update, tx_ctx, after)
    if not ok and errors.is(err, "CONFLICT") and err.key == "tenants_domain" then
      errors.raise("CONFLICT", "This domain is another tenant's", { details = {
        { field = "emailDomain", code = "taken", message = "is another tenant's" } } })
    elseif not ok then
      error(err, 0)
    end
    identity.announce(tx_ctx, { kind = "tenant.changed", tenant_id = row.id })
    for _, hook in ipairs(registry.hooks.settings_changed or {}) do
      hook(tx_ctx, changes)
    end
    audit.write(tx_ctx, { action = "settings.update", resource_type = "settings",
      resource_id = row.id, old = shown(row), new = shown(after) })
  end)
  return M.get(ctx)
end

return M
