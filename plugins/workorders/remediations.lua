-- Remediations: what was done about a hazard, with pictures from before and after.

local db = require("core.db")
local errors = require("core.errors")
local etag = require("core.etag")
local json = require("core.json")
local time = require("core.time")
local uuid = require("core.uuid")
local audit = require("services.audit")
local events = require("services.events")
local files = require("services.files")
local scripts = require("services.scripts")
local access = require("plugins.workorders.rules.access")
local orders = require("plugins.workorders.service")
local schema = require("plugins.workorders.schema")
local store = require("plugins.workorders.remediations_store")
local view = require("plugins.workorders.rules.view")

local M = {}

local MAX_PHOTOS = 10
-- Work that is not accepted yet, or given up, has nothing done to tell of; after the
-- verification its account is closed.
local OPEN = { accepted = true, scheduled = true, in_progress = true, on_hold = true,
  completed = true }

local function show(ctx, row)
  local before, after = json.array({}), json.array({})
  for _, attachment in ipairs(files.list(ctx, "remediation", row.id)) do
    table.insert(attachment.kind == "before" and before or after, attachment)
  end
  return view.remediation(row, before, after)
end

local function check_open(order)
  if not OPEN[order.status] then
    errors.raise("CONFLICT", "A work order that is " .. order.status
      .. " takes no remediation")
  end
end

local function find_order(ctx, id)
  local order, person = orders.find(ctx, id)
  if not order then
    errors.raise("NOT_FOUND", "No such work order")
  end
  return order, person
end

--- Records what was done on a work order.
-- @param input as schema.remediate cleans it
function M.create(ctx, input)
  local id = uuid.v7()
  input = scripts.before(ctx, "remediation.create", input, { id = id, schema = schema.remediate })
  return db.transaction(ctx, function(tx)
    local order, person = find_order(tx, input.workOrderId)
    if not access.can(person, "remediate", order) then
      errors.raise("FORBIDDEN", "Only those who do the work can say what was done")
    end
    check_open(order)
    local row = {
      id = id, work_order_id = order.id, performed_by = tx.actor.user_id,
      description = input.description, materials_used = json.array(input.materialsUsed or {}),
      time_spent = input.timeSpent, completion_date = input.completionDate or time.now(),
    }
    store.insert(tx, row)
    local made = show(tx, store.get(tx, row.id))
    audit.write(tx, { action = "remediation.create", resource_type = "remediation",
      resource_id = row.id, new = made })
    events.emit(tx, "remediation.completed", {
      resource_type = "remediation", resource_id = row.id,
      data = { remediation = made, workOrderId = order.id, number = order.number,
        assignedTo = order.assigned_to, teamId = order.team_id },
    })
    return made
  end)
end

--- Returns the remediations of a work order, oldest first.
function M.list(ctx, work_order_id)
  find_order(ctx, work_order_id)
  local found = json.array({})
  for i, row in ipairs(store.find_by_order(ctx, work_order_id)) do
    found[i] = show(ctx, row)
  end
  return found
end

-- Returns the row, if the caller may change it: its performer, until it is verified.
local function check_performer(ctx, row)
  local order = row and orders.find(ctx, row.work_order_id)
  if not order then
    errors.raise("NOT_FOUND", "No such remediation")
  end
  if row.performed_by ~= ctx.actor.user_id then
    errors.raise("FORBIDDEN", "Only who performed the remediation may change it")
  end
  check_open(order)
  return row
end

local function lock(ctx, id, versions)
  local row = check_performer(ctx, store.get(ctx, id, true))
  etag.require_version(versions, row.version, "The remediation")
  return row
end

--- Changes a remediation.
function M.update(ctx, id, changes, versions)
  return db.transaction(ctx, function(tx)
    local row = lock(tx, id, versions)
    local before = show(tx, row)
    row.description = changes.description or row.description
    row.materials_used = changes.materialsUsed and json.array(changes.materialsUsed)
      or row.materials_used
    row.time_spent = changes.timeSpent or row.time_spent
    row.completion_date = changes.completionDate or row.completion_date
    store.update(tx, row)
    local after = show(tx, store.get(tx, id))
    audit.write(tx, { action = "remediation.update", resource_type = "remediation",
      resource_id = id, old = before, new = after })
    return after
  end)
end

--- Adds pictures.
-- @param uploads {before = uploaded files, after = uploaded files}
function M.add_photos(ctx, id, uploads)
  local row = check_performer(ctx, store.get(ctx, id))
  local before = files.prepare(ctx, uploads.before, { max = MAX_PHOTOS, kinds = "picture",
    field = "before" })
  local after = files.prepare(ctx, uploads.after, { max = MAX_PHOTOS, kinds = "picture",
    field = "after" })
  if #before + #after == 0 then
    errors.validation({ { field = "before", code = "required",
      message = "at least one picture, before or after, must be sent" } })
  end
  return db.transaction(ctx, function(tx)
    lock(tx, id)
    files.attach(tx, "remediation", id, before, { kind = "before" })
    files.attach(tx, "remediation", id, after, { kind = "after" })
    local shown = show(tx, row)
    audit.write(tx, { action = "remediation.photos", resource_type = "remediation",
      resource_id = id, new = { beforePhotos = shown.beforePhotos,
        afterPhotos = shown.afterPhotos } })
    return shown
  end)
end

--- Returns the remediation and its work order, if the caller may see them (for files).
function M.find(ctx, id)
  local row = store.get(ctx, id)
  local order, person
  if row then
    order, person = orders.find(ctx, row.work_order_id)
  end
  if order then
    return row, order, person
  end
end

return M
