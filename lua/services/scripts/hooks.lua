--- The hooks of what runs for a tenant, and how one is run.

local context = require("core.context")
local registry = require("core.registry")
local trace = require("core.trace")
local active_releases = require("services.scripts.active")
local canary = require("services.scripts.canary")
local limits = require("services.scripts.limits")
local parts = require("services.scripts.parts")
local record = require("services.scripts.record")
local figures = require("services.scripts.run_figures")
local run = require("services.scripts.run")

local M = {}

local LANES = { hook = "live", route = "live", event = "background" }
local NOTHING = {}

-- release -> {"before report.create" = array of hooks}
local indexes = setmetatable({}, { __mode = "k" })

local function index_of(release)
  local index = indexes[release]
  if not index then
    index = {}
    for _, hook in ipairs(release.hooks) do
      local key = hook.kind .. " " .. hook.name
      index[key] = index[key] or {}
      table.insert(index[key], hook)
    end
    indexes[release] = index
  end
  return index
end

--- The hooks of a release of one kind and name, in the order of their files; may be empty.
function M.find(release, kind, name)
  return index_of(release)[kind .. " " .. name] or NOTHING
end

-- Who acts in a run. Inside a transaction the run reads what that has written.
local function acting(ctx, release, hook, depth)
  local script = context.script({
    tenant = ctx.tenant, file = hook.file, release = release.name,
    permissions = registry.script_permissions, request_id = ctx.request_id, trace = trace.of(ctx),
    tx = ctx.tx, unit = ctx.unit,
  })
  script.actor.depth = depth
  return script
end

--- Who acts, as rules see them.
function M.person(ctx)
  local actor = ctx.actor
  return { kind = actor.kind, id = actor.user_id, name = actor.name, role = actor.role }
end

local function files_of(ctx, release)
  return release.files or active_releases.rules(ctx, release)
end

--- Runs one hook. Raises nothing.
-- @param ctx whose tenant's it is; its transaction, if any, is what the run reads in
-- @param release of services.scripts.active, or {name, files, hooks} of a draft
-- @param arguments an array, what the hook is called with
-- @param options step (of an escalation), lane, origin = {cause, handler, again} when it may be
--   tried again (services.scripts.run), depth = how many rules set this one off, dry, new_id, at,
--   event, event_id, attempt (for the record), quiet = no record, refusal = the error with which it
--   ends before it begins,
--   status = function(outcome) -> how it counts, where that is decided by what it gave
-- @return the outcome (services.scripts.run) with its `warnings`; its `id` is that of the record
function M.run(ctx, release, hook, arguments, options)
  local limit = limits.of(ctx.tenant, hook.kind)
  local outcome = run.perform(acting(ctx, release, hook, options.depth), {
    hook = hook,
    release = function()
      return parts.release(release, function()
        return files_of(ctx, release)
      end)
    end,
    arguments = arguments,
    step = options.step,
    limits = limit,
    lane = options.lane or LANES[limit.class],
    origin = options.origin,
    dry = options.dry,
    new_id = options.new_id,
    at = options.at,
    refusal = options.refusal,
  })
  outcome.status = options.status and options.status(outcome) or outcome.status
  figures.note(outcome)
  if not options.quiet then
    outcome.id = record.add(ctx.tenant.id, release, outcome, options)
    canary.record(release, outcome.error == nil or outcome.status == "rejected")
  end
  return outcome
end

--- Runs one hook of what runs for the context's tenant: a guard, a step of an escalation, a route,
-- a schedule, a template. Raises nothing.
-- @param hook as M.find gives it
-- @param arguments an array, what the hook is called with
-- @param options release = what the hook is of (M.release), or entity_id to find it by; and those
--   of M.run
-- @return the outcome: status ("ok", "error", "limit"), value, error
function M.call(ctx, hook, arguments, options)
  local release = options.release or M.release(ctx, options.entity_id)
  return M.run(ctx, release, hook, arguments, options)
end

--- What runs for the context's tenant and this entity: a release with `hooks`, or nil.
-- @param entity_id of a report, a work order; decides between a canary and the active release
function M.release(ctx, entity_id)
  local active = active_releases.find(ctx, ctx.tenant.id)
  return active and active_releases.for_entity(active, entity_id)
end

return M
