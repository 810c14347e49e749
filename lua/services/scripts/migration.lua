--- Moves what was opened under earlier releases to the states and moves of the active one. A thing
-- whose status that knows stays as it is and goes by the new moves; one whose status it does not
-- know goes where the caller says, or stays behind.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local registry = require("core.registry")
local audit = require("services.audit")
local active_releases = require("services.scripts.active")
local workflows = require("services.scripts.workflows")

local M = {}

local MOVED_MAX = 500 -- things that get another status, in one request

local function conflict(message)
  errors.raise("CONFLICT", message)
end

-- The active release, and its number where it adds states for these things: else they need no pin.
local function find_target(ctx, of, base)
  local active = active_releases.find(ctx, ctx.tenant.id)
  if not active or not active.number then
    conflict("No release is active that something could be moved to")
  elseif active.canary then
    conflict("A canary runs: end it first")
  end
  local number = workflows.adds(active, of) and active.number or nil
  return workflows.of(ctx, of, base, number).machine, number, active.number
end

local function check_states(machine, wanted)
  local problems = {}
  for from, to in pairs(wanted) do
    if not machine:has(to) then
      problems[#problems + 1] = { field = "states." .. from, code = "enum",
        message = "must be a state of the active release" }
    end
  end
  if #problems > 0 then
    errors.validation(problems)
  end
end

-- What is to happen to the things of each status: those to pin, to move, and to leave.
local function plan(entity, ctx, machine, number, wanted)
  local keep, move, blocked = {}, {}, json.array({})
  local counts = { kept = 0, moved = 0 }
  for _, row in ipairs(entity.pins.count_outside(ctx, number)) do
    if machine:has(row.status) then
      keep[#keep + 1] = row.status
      counts.kept = counts.kept + row.n
    elseif wanted[row.status] then
      move[#move + 1] = { from = row.status, to = wanted[row.status] }
      counts.moved = counts.moved + row.n
    else
      blocked[#blocked + 1] = { status = row.status, count = row.n }
    end
  end
  return keep, move, blocked, counts
end

-- Moves things to other statuses, each in a transaction of its own. @return how many
local function move_all(entity, ctx, move, number)
  local moved = 0
  for _, step in ipairs(move) do
    for _, id in ipairs(entity.pins.list_outside(ctx, step.from, number, MOVED_MAX - moved)) do
      entity.migrate(ctx, id, step, number)
      moved = moved + 1
    end
  end
  return moved
end

--- Moves the tenant's things of a type to the active release.
-- @param request of, states = {[status that the release does not know] = one that it does}, dryRun
-- @return {release, dryRun, kept = how many keep their status, moved = how many get another,
--   blocked = {{status, count}, ...} that stay behind, remaining = how many are left to another
--   call}
function M.run(ctx, request)
  local entity = registry.script_entities[request.of]
  local machine, number, release = find_target(ctx, request.of, entity.machine)
  local wanted = request.states or {}
  check_states(machine, wanted)
  local keep, move, blocked, counts = plan(entity, ctx, machine, number, wanted)
  local answer = { release = release, dryRun = request.dryRun, kept = counts.kept,
    moved = counts.moved, blocked = blocked, remaining = 0 }
  if not request.dryRun then
    answer.moved = move_all(entity, ctx, move, number)
    answer.remaining = counts.moved - answer.moved
    db.transaction(ctx, function(tx)
      answer.kept = #keep > 0 and entity.pins.put_all(tx, keep, number) or 0
      audit.write(tx, { action = "script.migrate", resource_type = "script_release",
        resource_id = tostring(release), new = { of = request.of, states = json.object(wanted),
          kept = answer.kept, moved = answer.moved } })
    end)
  end
  return answer
end

return M
