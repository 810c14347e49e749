--- Releases: published from the draft, taken back, listed. What runs changes in one row.

local db = require("core.db")
local errors = require("core.errors")
local json = require("core.json")
local paging = require("core.paging")
local registry = require("core.registry")
local reply = require("core.reply")
local uuid = require("core.uuid")
local audit = require("services.audit")
local clocks = require("services.clocks")
local events = require("services.events")
local notifications = require("services.notifications")
local active = require("services.scripts.active")
local check = require("services.scripts.check")
local drafts = require("services.scripts.drafts")
local schedule_rows = require("services.scripts.schedule_rows")
local store = require("services.scripts.store")
local switches = require("services.scripts.switches")
local view = require("services.scripts.view")

local M = {}

local ESCALATIONS = "script" -- the kind of clock of rules
local KNOWN_MS = 3000 -- by then every worker knows what runs now
local TOLD = { roles = { "owner", "admin" } } -- of what happens by itself
local KEPT = 100 -- numbered releases of a tenant
local KEPT_UNNUMBERED = 2 -- what ran until a moment ago may still be asked for

--- What list() can sort by.
M.SORTS = { "release", "createdAt" }

local COLUMNS = {
  release = { sql = "r.number", key = "number" },
  createdAt = "r.created_at",
}

local function no_release()
  errors.raise("NOT_FOUND", "There is no such release")
end

-- What the schedules go by: the active release, not a canary, since they are about no entity.
local function reconcile_schedules(ctx)
  local id = store.find_standing(ctx).release_id
  local row = id and store.find_running(ctx, id)
  schedule_rows.reconcile(ctx, row and json.decode(row.hooks).hooks or {})
end

local function number_of(ctx, id)
  local row = id and store.find_running(ctx, id)
  return row and row.number or json.null
end

-- What runs, for the audit trail.
local function told(ctx, standing)
  return { release = number_of(ctx, standing.release_id),
    canaryRelease = number_of(ctx, standing.canary_id), canary = standing.canary_percent }
end

-- Announces, tells and writes down that something else runs.
-- @param before where the tenant stood
-- @param new of the audit trail
local function finish(ctx, before, action, number, new)
  reconcile_schedules(ctx)
  switches.mend(ctx, before)
  active.announce(ctx)
  clocks.reckon(ctx, ESCALATIONS, KNOWN_MS)
  audit.write(ctx, { action = "script." .. action, resource_type = "script_release",
    resource_id = number and tostring(number) or "dev", old = told(ctx, before), new = new })
  events.emit(ctx, "script.released", { resource_type = "script_release",
    resource_id = number and tostring(number) or "dev",
    data = { action = action, release = number or json.null, canary = new.canary,
      reason = new.reason } })
end

-- The numbers that something open goes by; none when there are no releases to ask for.
local function pinned(ctx, rows)
  local set = {}
  for _, entity in pairs(#rows > 0 and registry.script_entities or {}) do
    for _, number in ipairs(entity.pins and entity.pins.list(ctx) or {}) do
      set[number] = true
    end
  end
  return set
end

-- Old releases go, except those that run and those that open work is pinned to.
local function prune(ctx)
  local standing, outdated = store.find_standing(ctx), store.list_outdated(ctx, KEPT)
  local kept = pinned(ctx, outdated)
  for _, rows in ipairs({ outdated, store.list_unnumbered(ctx, KEPT_UNNUMBERED) }) do
    for _, row in ipairs(rows) do
      if row.id ~= standing.release_id and row.id ~= standing.canary_id
        and not (row.number and kept[row.number]) then
        store.delete_release(ctx, row.id)
      end
    end
  end
end

local function insert(ctx, files, row)
  row.id = uuid.v7()
  store.insert_release(ctx, row)
  for _, file in ipairs(files) do
    store.insert_release_file(ctx, row.id, file)
  end
  return row.id
end

local function conflict()
  errors.raise("CONFLICT", "The draft or what runs was changed in the meantime: look at it again")
end

--- Publishes the draft as the next release: for everything, or as a canary for a share of entities.
-- @param input message, canary = percent or nil
-- @return the release for the API, the draft's tag; 422 with all problems when the draft does not
--   check, 409 when draft or active release changed meanwhile, 412 when If-Match names another
--   draft
function M.publish(ctx, input)
  local before = store.find_standing(ctx)
  local draft = drafts.read(ctx)
  reply.require_match(ctx, drafts.tag(draft.version))
  local result = check.must_pass(ctx, draft.files)
  local id = db.transaction(ctx, function(tx_ctx)
    local standing = store.lock_standing(tx_ctx)
    if standing.draft_version ~= draft.version
      or standing.version ~= (before and before.version or 0) then
      conflict()
    end
    local number = store.take_number(tx_ctx, standing)
    local release_id = insert(tx_ctx, draft.files, { number = number, message = input.message,
      hooks = result.declared })
    store.set_active(tx_ctx, input.canary
      and { release_id = standing.release_id, canary_id = release_id,
        canary_percent = input.canary }
      or { release_id = release_id })
    finish(tx_ctx, standing, "publish", number,
      { release = number, canary = input.canary, message = input.message })
    prune(tx_ctx)
    return release_id
  end)
  return view.release(store.find_release(ctx, id), store.find_standing(ctx)),
    drafts.tag(draft.version)
end

local function refuse_withdrawn(row)
  errors.raise("CONFLICT", ("Release %d was taken back: %s. Say force to run it all the same")
    :format(row.number, row.withdrawn))
end

--- Makes an earlier release the active one again, and ends a canary; of the canary's own number:
-- makes it the active one.
-- @param input release = its number, force = also one that was taken back as a canary
-- @return the release for the API
function M.rollback(ctx, input)
  local number = input.release
  local id = db.transaction(ctx, function(tx_ctx)
    local standing = store.lock_standing(tx_ctx)
    local row = store.find_release_by_number(tx_ctx, number) or no_release()
    if standing.release_id == row.id and not standing.canary_id then
      errors.raise("CONFLICT", "This release is the active one")
    elseif row.withdrawn and not input.force then
      refuse_withdrawn(row)
    end
    store.set_active(tx_ctx, { release_id = row.id })
    finish(tx_ctx, standing, "rollback", number, { release = number, withdrawn = row.withdrawn })
    prune(tx_ctx)
    return row.id
  end)
  return view.release(store.find_release(ctx, id), store.find_standing(ctx))
end

--- Ends a canary because of what it did, in the caller's transaction with the standing locked.
function M.withdraw_canary(ctx, standing, reason)
  local number = number_of(ctx, standing.canary_id)
  store.withdraw(ctx, standing.canary_id, reason)
  store.set_active(ctx, { release_id = standing.release_id })
  finish(ctx, standing, "withdraw", number,
    { release = number_of(ctx, standing.release_id), reason = reason })
  notifications.notify(ctx, { to = TOLD, type = "script.withdrawn",
    title = ("Release %s was taken back"):format(tostring(number)),
    message = ("The canary of your rules has taken itself back: %s."):format(reason),
    data = { release = number } })
end

--- Makes these files the one release without a number, which runs at once: development.
-- @return the result of the check; nothing changes when it is not ok
function M.replace_dev(ctx, files)
  local result = check.run(ctx, files)
  if result.ok then
    db.transaction(ctx, function(tx_ctx)
      local standing = store.lock_standing(tx_ctx)
      local id = insert(tx_ctx, files, { message = "saved", hooks = result.declared })
      store.set_active(tx_ctx, { release_id = id })
      finish(tx_ctx, standing, "save", nil, {})
      prune(tx_ctx)
    end)
  end
  return result
end

--- One page of the releases, the newest first. @return releases, meta
function M.list(ctx, query)
  local page = paging.read(ctx, query, { columns = COLUMNS, id = "r.id", default = "-release" })
  local rows = store.list_releases(ctx, page)
  local meta = paging.meta(page, rows, page.page and store.count_releases(ctx) or nil)
  local standing, list = store.find_standing(ctx) or {}, json.array({})
  for i, row in ipairs(rows) do
    list[i] = view.release(row, standing)
  end
  return list, meta
end

--- A release by its number for the API, with its files and hooks; 404 when there is none.
function M.show(ctx, number)
  local row = store.find_release_by_number(ctx, number) or no_release()
  local declared = json.decode(store.find_running(ctx, row.id).hooks)
  return view.release_detail(row, store.find_standing(ctx), store.list_release_sizes(ctx, row.id),
    declared.hooks or {})
end

--- A release by its number for other parts: its row, or 404.
function M.get(ctx, number)
  return store.find_release_by_number(ctx, number) or no_release()
end

--- What runs, for the API: the active release and the canary, each or null.
function M.running(ctx)
  local standing = store.find_standing(ctx) or {}
  local function shown(id)
    return id and view.release(store.find_release(ctx, id), standing) or json.null
  end
  return { active = shown(standing.release_id), canary = shown(standing.canary_id) }, standing
end

return M
