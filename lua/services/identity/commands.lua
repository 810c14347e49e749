--- Commands on accounts: `fixxit user create` and `fixxit token`.

local config = require("core.config")
local context = require("core.context")
local db = require("core.db")
local errors = require("core.errors")
local formats = require("core.schema.formats")
local uuid = require("core.uuid")
local passwords = require("services.identity.passwords")
local roles = require("services.identity.roles")
local sessions = require("services.identity.sessions")
local store = require("services.identity.store")
local tenants = require("services.identity.tenants")

local function wanted_tenant(ctx, slug)
  if not slug then
    return nil
  end
  return tenants.find_by_slug(ctx, slug) or error("there is no tenant '" .. slug .. "'", 0)
end

local function create_user(cx)
  local options = cx.options
  if not options.email or not options.password then
    error("needs --email and --password", 0)
  end
  if not formats.email.read(options.email) then
    error("the address " .. formats.email.message, 0)
  end
  local problem = passwords.problem(options.password, { options.email })
  if problem then
    error("the password " .. problem, 0)
  end
  local role = options.role or "member"
  if not roles.is(role) then
    error("there is no role '" .. role .. "'", 0)
  end
  local ctx = context.system({ name = "command" })
  local tenant = wanted_tenant(ctx, options.tenant)
  local row = {
    id = uuid.v7(), email = options.email:lower(), password_hash = passwords.hash(options.password),
    first_name = options.first_name or "", last_name = options.last_name or "",
    user_type = "employee", email_verified = true, platform_admin = options.platform_admin,
  }
  local ok, err = pcall(db.transaction, ctx, function(tx_ctx)
    store.insert_user(tx_ctx, row)
    if tenant then
      store.insert_membership(tx_ctx,
        { id = uuid.v7(), user_id = row.id, tenant_id = tenant.id, role = role })
    end
  end)
  if not ok then
    error(errors.is(err, "CONFLICT") and "there is an account with this address" or err, 0)
  end
  if cx.json then
    cx.print_json({ id = row.id, email = row.email })
  else
    cx.print(row.id)
  end
end

local user = {
  summary = "Make an account (create).",
  usage = "create --email ADDRESS --password TEXT [--tenant SLUG --role NAME]",
  options = {
    { "--email ADDRESS", "the address to sign in with" },
    { "--password TEXT", "its password" },
    { "--first-name TEXT", "" },
    { "--last-name TEXT", "" },
    { "--tenant SLUG", "the tenant to join" },
    { "--role NAME", "the role there (member)" },
    { "--platform-admin", "may do the operations of the whole platform" },
  },
}

function user.run(cx)
  if cx.args[1] ~= "create" then
    error("fixxit user create", 0)
  end
  return create_user(cx)
end

local token = {
  summary = "Print an access token of an account (not in production).",
  usage = "--email ADDRESS [--tenant SLUG]",
  options = {
    { "--email ADDRESS", "whose token" },
    { "--tenant SLUG", "the tenant to act in (the account's first)" },
  },
}

function token.run(cx)
  if config.get().env == "production" then
    error("tokens are not handed out in production: sign in", 0)
  end
  local ctx = context.system({ name = "command" })
  local person = store.find_user_by_email(ctx, (cx.options.email or ""):lower())
    or error("there is no account with this address", 0)
  local tenant = wanted_tenant(ctx, cx.options.tenant) or store.list_tenants_of(ctx, person.id)[1]
  local membership = tenant and store.find_membership(ctx, person.id, tenant.id)
  local pair = db.transaction(ctx, function(tx_ctx)
    return sessions.open(tx_ctx, { user_id = person.id, tenant_id = membership and tenant.id,
      role = membership and membership.role })
  end)
  if cx.json then
    cx.print_json({ accessToken = pair.access, expiresIn = pair.expires_in })
  else
    cx.print(pair.access)
  end
end

return { user = user, token = token }
