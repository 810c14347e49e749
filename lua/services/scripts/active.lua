--- What runs for a tenant, kept in each worker until it changes: asking costs no query.
--
-- A change announces itself the way a change of rights does (identity.announce): every worker of
-- every node hears of it within a second. A read that overlaps a change is not kept, and nothing is
-- kept for longer than KEEP_MS.

local context = require("core.context")
local crypto = require("core.crypto")
local json = require("core.json")
local time = require("core.time")
local identity = require("services.identity")
local keys = require("services.scripts.keys")
local paths = require("services.scripts.paths")
local store = require("services.scripts.store")

local M = {}

local CHANGED = "scripts.changed"
local KEEP_MS = 30000
local KEPT_MAX = 5000 -- tenants
local SHARE_BYTES = 4

local kept, kept_count = {}, 0 -- tenant id -> {active = or false, until_ms}
local changes = 0

local function forget(event)
  if event.kind == CHANGED then
    changes = changes + 1
    kept_count = kept_count - (kept[event.tenant_id] and 1 or 0)
    kept[event.tenant_id] = nil
  end
end

--- Announces that something else runs, in the transaction that makes it so.
function M.announce(ctx)
  store.touch_active(ctx)
  identity.announce(ctx, { kind = CHANGED, tenant_id = ctx.tenant.id })
end

function M.start()
  identity.watch(forget)
end

function M.stop()
  identity.unwatch(forget)
end

-- The ids and keys of hooks are those of the release, whatever is switched off.
local function hooks_of(row, off)
  local hooks = json.array({})
  for _, hook in ipairs(keys.give(json.decode(row.hooks).hooks or {})) do
    if not off[hook.file] and not off[hook.key] then
      hooks[#hooks + 1] = hook
    end
  end
  return hooks
end

local function read_release(ctx, id, off)
  local row = id and store.find_running(ctx, id)
  return row and { id = row.id, number = row.number, name = row.number and tostring(row.number)
    or "dev", tenant_id = ctx.tenant.id, hooks = hooks_of(row, off) }
end

local function read(ctx)
  local standing = store.find_standing(ctx)
  if not standing or not (standing.release_id or standing.canary_id) then
    return false
  end
  local off = {}
  for _, row in ipairs(store.list_disabled(ctx)) do
    off[row.handler == "" and row.path or row.handler] = true
  end
  local active = read_release(ctx, standing.release_id, off)
    or { tenant_id = ctx.tenant.id, hooks = json.array({}) }
  active.version = standing.version
  active.canary = read_release(ctx, standing.canary_id, off)
  if active.canary then
    active.canary.percent = standing.canary_percent
    active.canary.is_canary = true
  end
  return active
end

--- What runs for a tenant: nil, or {id, number, name, hooks, version, canary = {id, number, name,
-- hooks, percent, is_canary = true} or nil}; without an id only the canary runs. `number` is nil
-- and `name` "dev" for the release that a save in development replaces. Hooks that are switched off
-- are left out. Not to be changed.
-- @param version that it must have at least, where the caller has just read it; or nil
function M.find(ctx, tenant_id, version)
  local entry = kept[tenant_id]
  if entry and entry.until_ms > time.monotonic_ms()
    and (not version or entry.active and entry.active.version >= version) then
    return entry.active or nil
  end
  local before = changes
  local active = read(context.system({ name = "scripts", tenant = { id = tenant_id },
    request_id = ctx.request_id }))
  if before == changes then
    if kept_count >= KEPT_MAX then
      kept, kept_count = {}, 0
    end
    kept_count = kept_count + (kept[tenant_id] and 0 or 1)
    kept[tenant_id] = { active = active, until_ms = time.monotonic_ms() + KEEP_MS }
  end
  return active or nil
end

local function share_of(entity_id)
  local digest = crypto.hash("sha256", entity_id)
  local a, b, c, d = digest:byte(1, SHARE_BYTES)
  return (((a * 256 + b) * 256 + c) * 256 + d) % 100
end

--- The release that runs for an entity (a report, a work order): the canary for its share, always
-- the same ones. Without an entity it is the active one. nil when that is none.
function M.for_entity(active, entity_id)
  local canary = active.canary
  if canary and entity_id and share_of(entity_id) < canary.percent then
    return canary
  end
  return active.id and active or nil
end

--- A release by its id, whatever of it is switched off, or nil: for what is pinned to it.
function M.release(ctx, id)
  return read_release(ctx, id, {})
end

--- The rules of a release, {{path, content}, ...}: what is loaded to run it.
function M.rules(ctx, release)
  local rules = {}
  for _, file in ipairs(store.list_release_files(context.system({ name = "scripts",
    tenant = { id = release.tenant_id }, request_id = ctx.request_id }), release.id)) do
    if paths.is_rule(file.path) then
      rules[#rules + 1] = { path = file.path, content = file.content }
    end
  end
  return rules
end

return M
