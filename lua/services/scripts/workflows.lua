--- The states and moves that tenants' rules add (`transition`), as data: a thing stays with those
-- of the release that it was opened under; only guards are code, asked before the transaction.
--
-- The moves of a numbered release never change, so they are kept by its number. The one release of
-- development has none: while it runs, its moves hold for everything that is pinned to no other.

local errors = require("core.errors")
local sys = require("core.sys")
local active_releases = require("services.scripts.active")
local hooks = require("services.scripts.hooks")
local store = require("services.scripts.store")

local M = {}

local KEPT_MAX = 2000
local NOTHING = {}

local kept, kept_count = {}, 0 -- "tenant of number" -> workflow
local of_release = setmetatable({}, { __mode = "k" }) -- release -> {of = workflow}
local of_base = setmetatable({}, { __mode = "k" }) -- machine -> workflow without a release

local function key_of(from, to)
  return from .. ">" .. to
end

local function base_workflow(base)
  of_base[base] = of_base[base] or { machine = base, guards = NOTHING }
  return of_base[base]
end

-- Of several moves between the same states one that asks nothing makes all others idle.
local function build(release, of, base)
  local added, guards, free = {}, {}, {}
  for _, hook in ipairs(release and release.hooks or NOTHING) do
    if hook.kind == "transition" and hook.of == of then
      local key = key_of(hook.from, hook.to)
      added[#added + 1] = { from = hook.from, to = hook.to }
      free[key] = free[key] or not hook.guarded
      guards[key] = guards[key] or {}
      table.insert(guards[key], hook)
    end
  end
  if #added == 0 then
    return base_workflow(base)
  end
  for key in pairs(free) do
    guards[key] = not free[key] and guards[key] or nil
  end
  return { machine = base:extended(added), guards = guards, release = release }
end

local function of_running(release, of, base)
  of_release[release] = of_release[release] or {}
  local known = of_release[release]
  known[of] = known[of] or build(release, of, base)
  return known[of]
end

local function of_number(ctx, of, base, number)
  local key = ("%s %s %d"):format(ctx.tenant.id, of, number)
  if not kept[key] then
    local row = store.find_release_by_number(ctx, number)
    if kept_count >= KEPT_MAX then
      kept, kept_count = {}, 0
    end
    kept[key] = build(row and active_releases.release(ctx, row.id), of, base)
    kept_count = kept_count + 1
  end
  return kept[key]
end

--- The workflow of a thing: {machine (core.state_machine), guards, release}.
-- @param of "report" or "workorder"
-- @param base the machine without any rules
-- @param number the release that the thing is pinned to, or nil
function M.of(ctx, of, base, number)
  if number then
    return of_number(ctx, of, base, number)
  end
  local active = active_releases.find(ctx, ctx.tenant.id)
  if active and active.id and not active.number then
    return of_running(active, of, base)
  end
  return base_workflow(base)
end

--- Whether a release adds states or moves for things of a type.
function M.adds(release, of)
  for _, hook in ipairs(release.hooks) do
    if hook.kind == "transition" and hook.of == of then
      return true
    end
  end
  return false
end

--- The release that a thing opened now is to be pinned to: its number, or nil when what runs adds
-- nothing to its states.
function M.opening(ctx, of, id)
  local release = hooks.release(ctx, id)
  return release and release.number and M.adds(release, of) and release.number or nil
end

--- The states that rules add: those of what runs now, and of the releases with these numbers.
-- @return array of names, in order
function M.states(ctx, of, base, numbers)
  local list, seen = {}, {}
  local function add(workflow)
    for _, state in ipairs(workflow.machine.states) do
      if not base:has(state) and not seen[state] then
        list[#list + 1], seen[state] = state, true
      end
    end
  end
  local active = active_releases.find(ctx, ctx.tenant.id)
  for _, release in ipairs({ active and active.id and active or NOTHING,
    active and active.canary or NOTHING }) do
    add(release.id and of_running(release, of, base) or base_workflow(base))
  end
  for _, number in ipairs(numbers or NOTHING) do
    add(of_number(ctx, of, base, number))
  end
  return list
end

--- Whether a move has a guard.
function M.is_guarded(workflow, from, to)
  return workflow.guards[key_of(from, to)] ~= nil
end

local function place_of(hook, outcome)
  local err = outcome.error or NOTHING
  return ("%s:%d"):format(err.file or hook.file, err.line or hook.line)
end

local function failure(failed)
  return errors.new("RULE_FAILED", "A rule that must agree has failed", { status = 422,
    fields = { rule = place_of(failed.hook, failed.outcome) } })
end

local function rejection(hook, from, to, thing)
  local message = ("A rule does not let this %s go from %s to %s"):format(thing.name, from, to)
  return errors.new("REJECTED_BY_RULE", message, {
    details = { { field = "status", code = "rule", message = message, from = from, to = to } },
    fields = { rule = place_of(hook, NOTHING) } })
end

-- A guard that does not agree refuses, as its author wants: that is no failure.
local function status_of(outcome)
  return outcome.status == "ok" and outcome.value ~= true and "rejected" or outcome.status
end

--- Asks the guards of a move, if it has any. Call it before the transaction.
-- @param thing {id =, name = "work order", data = as rules see it}
-- @return nil when one of them agrees; else the error: 422 REJECTED_BY_RULE, or RULE_FAILED when
--   none does because one failed
function M.refusal(ctx, workflow, from, to, thing)
  local guards = workflow.guards[key_of(from, to)]
  if not guards or sys.role() == "cli" then
    return nil
  end
  local failed
  for _, hook in ipairs(guards) do
    local outcome = hooks.run(ctx, workflow.release, hook, { thing.data, hooks.person(ctx) },
      { event = "transition", event_id = thing.id, status = status_of })
    if outcome.value == true then
      return nil
    end
    failed = outcome.error and { hook = hook, outcome = outcome } or failed
  end
  return failed and failure(failed) or rejection(guards[1], from, to, thing)
end

--- The same; raises the error.
function M.ask(ctx, workflow, from, to, thing)
  local refusal = M.refusal(ctx, workflow, from, to, thing)
  if refusal then
    error(refusal, 0)
  end
end

return M
