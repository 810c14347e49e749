--- The demo world's tenants and accounts, for development and tests. Running it again adds what
-- is missing and leaves the rest alone.

local db = require("core.db")
local json = require("core.json")
local uuid = require("core.uuid")
local passwords = require("services.identity.passwords")
local store = require("services.identity.store")

local M = {}

--- The password of every demo account.
M.PASSWORD = "Fixxit-demo-2026"

local CATEGORIES = json.array({
  { code = "pothole", name = "Pothole", icon = "road", severity = "high", slaHours = 48 },
  { code = "roads", name = "Road damage", icon = "road", severity = "medium", slaHours = 72 },
  { code = "sidewalk", name = "Pavement", icon = "walk", severity = "medium", slaHours = 120 },
  { code = "street_light", name = "Street light", icon = "lightbulb", severity = "medium",
    slaHours = 72 },
  { code = "electrical", name = "Electrical hazard", icon = "bolt", severity = "critical",
    slaHours = 4 },
  { code = "traffic_signal", name = "Traffic signal", icon = "signal", severity = "high",
    slaHours = 8 },
  { code = "water_leak", name = "Water leak", icon = "droplet", severity = "high",
    slaHours = 12 },
  { code = "fallen_tree", name = "Fallen tree", icon = "tree", severity = "high", slaHours = 12 },
  { code = "parks", name = "Parks and trees", icon = "tree", severity = "low", slaHours = 168 },
  { code = "graffiti", name = "Graffiti", icon = "spray", severity = "low", slaHours = 240 },
  { code = "waste", name = "Waste and fly-tipping", icon = "trash", severity = "low",
    slaHours = 120 },
  { code = "other", name = "Something else", icon = "alert", severity = "medium",
    slaHours = 120 },
})

local TENANTS = {
  {
    slug = "riverton",
    name = "Riverton City Council",
    timezone = "Europe/London",
    settings = { categories = CATEGORIES, languages = json.array({ "en" }) },
    people = {
      { "owner", "owner", "Olivia", "Owens" },
      { "admin", "admin", "Adam", "Archer" },
      { "dispatcher", "dispatcher", "Dana", "Diaz" },
      { "tech1", "technician", "Tom", "Turner" },
      { "tech2", "technician", "Tara", "Thorne" },
      { "viewer", "viewer", "Vera", "Vance" },
      { "citizen", "public", "Chris", "Citizen" },
    },
  },
  {
    slug = "northgrid",
    name = "Northgrid Utilities",
    timezone = "Europe/London",
    settings = {},
    people = {
      { "owner", "owner", "Nora", "North" },
      { "dispatcher", "dispatcher", "Dirk", "Dale" },
      { "tech1", "technician", "Tim", "Tate" },
    },
  },
  {
    slug = "campus",
    name = "Westbrook University",
    timezone = "Europe/London",
    settings = {},
    people = {
      { "owner", "owner", "Wanda", "West" },
      { "dispatcher", "dispatcher", "Petra", "Porter" },
      { "tech1", "technician", "Theo", "Tiler" },
    },
  },
  {
    slug = "fagioli",
    name = "Carrozzeria Fagioli",
    timezone = "Europe/Rome",
    settings = {},
    people = {
      { "owner", "owner", "Franco", "Fagioli" },
      { "staff", "member", "Sara", "Serra" },
    },
  },
}

local function put_tenant(ctx, tenant)
  local row = store.find_tenant(ctx, "slug", tenant.slug)
  if row then
    return row.id
  end
  local id = uuid.v7()
  store.insert_tenant(ctx, {
    id = id,
    slug = tenant.slug,
    organization_name = tenant.name,
    contact_info = json.encode({ email = "hello@" .. tenant.slug .. ".example" }),
    branding_config = "{}",
    subscription_tier = "enterprise",
    settings = json.encode(tenant.settings),
    timezone = tenant.timezone,
  })
  return id
end

local function put_user(ctx, user)
  local row = store.find_user_by_email(ctx, user.email)
  if row then
    return row.id
  end
  local id = uuid.v7()
  store.insert_user(ctx, {
    id = id,
    email = user.email,
    password_hash = user.password_hash,
    first_name = user.first_name,
    last_name = user.last_name,
    user_type = user.user_type,
    platform_admin = user.platform_admin,
    email_verified = true,
  })
  return id
end

local function put_member(ctx, user_id, tenant_id, role)
  if not store.find_membership(ctx, user_id, tenant_id) then
    store.insert_membership(ctx,
      { id = uuid.v7(), user_id = user_id, tenant_id = tenant_id, role = role })
  end
end

--- Puts the demo tenants and accounts in place.
-- @return how many accounts it knows
function M.run(ctx)
  local hash = passwords.hash(M.PASSWORD) -- one for all of them: bcrypt is slow on purpose
  local count = 1
  db.transaction(ctx, function(tx_ctx)
    for _, tenant in ipairs(TENANTS) do
      local tenant_id = put_tenant(tx_ctx, tenant)
      for _, person in ipairs(tenant.people) do
        local name, role, first_name, last_name = unpack(person)
        local user_id = put_user(tx_ctx, {
          email = name .. "@" .. tenant.slug .. ".example",
          password_hash = hash,
          first_name = first_name,
          last_name = last_name,
          user_type = role == "public" and "public" or "employee",
        })
        put_member(tx_ctx, user_id, tenant_id, role)
        count = count + 1
      end
    end
    put_user(tx_ctx, { email = "platform@fixxit.example", password_hash = hash,
      first_name = "Pat", last_name = "Platform", user_type = "admin", platform_admin = true })
  end)
  return count
end

return M
