--- Which tenant a request is for. Tenants are read often and change seldom: each is kept until its
-- change is announced (standing.announce), and for KEEP_MS at most; that there is none, NONE_MS.

local errors = require("core.errors")
local json = require("core.json")
local time = require("core.time")
local store = require("services.identity.store")

local M = {}

jit.on(true, true) -- every request goes through it

local KEEP_MS, NONE_MS = 30000, 5000
local KEEP_MAX = 10000
local SLUG_MAX, HOST_MAX = 63, 253

local changes = 0 -- how often one was forgotten: a read that overlaps it is not kept
local kept, kept_count = {}, 0 -- "slug:riverton" -> {tenant = or false, until_ms}

local function tenant_of(row)
  return {
    id = row.id,
    slug = row.slug,
    name = row.organization_name,
    timezone = row.timezone,
    tier = row.subscription_tier,
    api_limits = json.decode(row.api_limits) or {},
    settings = json.decode(row.settings) or {},
  }
end

local function find(ctx, column, value)
  local key = column .. ":" .. value
  local entry = kept[key]
  local now = time.monotonic_ms()
  if entry and entry.until_ms > now then
    return entry.tenant or nil
  end
  local before = changes
  local row = store.find_tenant(ctx, column, value)
  local tenant = row and tenant_of(row) or false
  if before ~= changes then
    return tenant or nil
  end
  if not kept[key] then -- the read has waited: others may have kept it, or all may be gone
    if kept_count >= KEEP_MAX then
      kept, kept_count = {}, 0
    end
    kept_count = kept_count + 1
  end
  kept[key] = { tenant = tenant, until_ms = now + (tenant and KEEP_MS or NONE_MS) }
  return tenant or nil
end

--- An active tenant by its id, or nil: {id, slug, name, timezone, tier, settings}.
function M.find(ctx, id)
  return find(ctx, "id", id)
end

--- An active tenant by its slug, or nil. Takes any text that a client sends.
function M.find_by_slug(ctx, slug)
  return #slug <= SLUG_MAX and slug:find("^[%w-]+$") and find(ctx, "slug", slug:lower()) or nil
end

--- Forgets a tenant that changed, and which there were none of: it may be one now.
function M.forget(tenant_id)
  changes = changes + 1
  for key, entry in pairs(kept) do
    if not entry.tenant or entry.tenant.id == tenant_id then
      kept[key], kept_count = nil, kept_count - 1
    end
  end
end

local function named(ctx, slug)
  local tenant = type(slug) == "string" and M.find_by_slug(ctx, slug)
  return tenant or errors.raise("UNKNOWN_TENANT", "There is no such tenant")
end

--- The tenant that a request names: by X-Tenant, its host name, or `tenant` in the body.
-- @return the tenant, or nil when it names none; raises 404 when there is no such tenant
function M.named(ctx, body)
  local slug = ctx.req and ctx.req:header("x-tenant")
  if slug then
    return named(ctx, slug)
  end
  local host = ctx.req and ctx.req:header("host")
  host = host and host:lower():gsub(":%d+$", "")
  local by_host = host and #host <= HOST_MAX and host:find("%a") and host:find("^[%w.-]+$")
    and find(ctx, "domain", host)
  if by_host then
    return by_host
  end
  if type(body) == "table" and body.tenant ~= nil and body.tenant ~= json.null then
    return named(ctx, body.tenant)
  end
end

--- The hook of core.app: sets ctx.tenant when the request names one.
function M.resolve(ctx, body)
  ctx.tenant = ctx.tenant or M.named(ctx, body)
end

return M
