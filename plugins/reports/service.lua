-- Reports: what may be done with them, and what each change entails. Every change writes its
-- audit row, its history and its event in the transaction of the change.

local config = require("core.config")
local db = require("core.db")
local difference = require("core.difference")
local errors = require("core.errors")
local crypto = require("core.crypto")
local json = require("core.json")
local time = require("core.time")
local uuid = require("core.uuid")
local audit = require("services.audit")
local files = require("services.files")
local scripts = require("services.scripts")
local access = require("plugins.reports.rules.access")
local categories = require("plugins.reports.categories")
local changes = require("plugins.reports.changes")
local contact = require("plugins.reports.contact")
local escalation = require("plugins.reports.escalation")
local near = require("plugins.reports.near")
local schema = require("plugins.reports.schema")
local states = require("plugins.reports.rules.states")
local store = require("plugins.reports.store")
local tracking = require("plugins.reports.rules.tracking")
local view = require("plugins.reports.rules.view")
local workflow = require("plugins.reports.workflow")

local M = {}

local function new_row(ctx, id, input, category)
  local now_ms = time.now_ms()
  local location = input.location or {}
  local user_id = ctx.actor.user_id
  local severity = input.severity or categories.severity(category)
  local due_at, target_ms = escalation.due(ctx, category, severity, now_ms)
  return {
    id = id,
    reporter_id = user_id,
    reporter_contact = not user_id and contact.seal(input.reporter, id) or nil,
    title = input.title,
    description = input.description,
    category = category.code,
    severity_level = severity,
    status = states.machine.initial,
    location_description = location.description,
    latitude = location.latitude,
    longitude = location.longitude,
    location_accuracy = location.accuracy,
    source = input.source or "api",
    version = 1,
    tags = json.array(input.tags or {}),
    metadata = input.metadata or {},
    sla_due_at = due_at,
    workflow_release = workflow.opening(ctx, id),
    created_at = time.iso(now_ms),
    updated_at = time.iso(now_ms),
  }, target_ms, now_ms
end

-- Of what members see only the metadata has names that somebody made up, and may hold a secret.
local function audited(row)
  return next(row.metadata) and view.member(row) or json.raw(view.member_text(row))
end

local function store_new(ctx, row, target_ms, now_ms, prepared)
  row.tracking_code = tracking.make(crypto.random)
  return db.transaction(ctx, function(tx)
    store.insert(tx, row)
    store.add_history(tx, {
      report_id = row.id, to_status = row.status, changed_by = row.reporter_id,
      created_at = row.created_at,
    })
    escalation.begin(tx, row.id, target_ms, now_ms)
    local attachments = files.attach(tx, "report", row.id, prepared)
    audit.write(tx, { action = "report.create", resource_type = "report", resource_id = row.id,
      new = audited(row) })
    changes.announce(tx, "report.created", row, attachments)
    return attachments
  end)
end

-- The one way for a code to be taken is chance, so the next draw is free.
local function is_taken_code(err)
  return errors.is(err, "CONFLICT") and err.key == "reports_tracking_code"
end

--- Stores a report with its pictures.
-- @param input as schema.create cleans it
-- @param uploads list of uploaded files, or nil
-- @return its row, its attachments, the answer's meta
function M.store(ctx, input, uploads)
  local id = uuid.v7()
  input = scripts.before(ctx, "report.create", input, { id = id, schema = schema.create,
    check = categories.check })
  local category = categories.find(ctx, input.category)
    or error("category not checked: " .. tostring(input.category))
  local prepared = files.prepare(ctx, uploads, { kinds = "picture", field = "photos",
    max = config.get().files.report_photos })
  local row, target_ms, now_ms = new_row(ctx, id, input, category)
  row.shown = view.member_text(row)
  local ok, attachments = pcall(store_new, ctx, row, target_ms, now_ms, prepared)
  if not ok and is_taken_code(attachments) then
    attachments = store_new(ctx, row, target_ms, now_ms, prepared)
  elseif not ok then
    error(attachments, 0)
  end
  local meta = { possibleDuplicates = near.possible_duplicates(ctx, row) }
  for _, file in ipairs(prepared) do
    meta.exifLocation = meta.exifLocation or file.gps
  end
  return row, attachments, meta
end

--- The same.
-- @return what the reporter is answered, and the answer's meta
function M.create(ctx, input, uploads)
  local row, attachments, meta = M.store(ctx, input, uploads)
  local answer = view.full(row)
  answer.attachments = attachments
  return answer, meta
end

-- The row as it will be after `wanted` (schema.update).
local function changed(ctx, report, wanted)
  local row = {}
  for column, value in pairs(report) do
    row[column] = value
  end
  row.title = wanted.title or report.title
  row.description = wanted.description or report.description
  row.severity_level = wanted.severity or report.severity_level
  row.tags = wanted.tags and json.array(wanted.tags) or report.tags
  row.metadata = wanted.metadata or report.metadata
  row.category = wanted.category or report.category
  if row.category ~= report.category or row.severity_level ~= report.severity_level then
    local category = categories.find(ctx, row.category)
    -- Of a category that the tenant has taken from its list the old date stays.
    if category then
      row.sla_due_at = escalation.retarget(ctx, report, category, row.severity_level)
    end
  end
  if wanted.location then
    row.location_description = wanted.location.description
    row.latitude = wanted.location.latitude
    row.longitude = wanted.location.longitude
    row.location_accuracy = wanted.location.accuracy
  end
  row.updated_at = time.now()
  return row
end

-- The report as rules see it, for who may change it.
local function shown(ctx, id)
  local report = store.get(ctx, id)
  changes.check_rights(ctx, report, access.can_update)
  return view.member(report)
end

--- Changes a report's words, place, category or severity.
-- @param wanted as schema.update cleans it
-- @param versions those that the caller has read (If-Match), as a set; nil: whichever
function M.update(ctx, id, wanted, versions)
  wanted = scripts.before(ctx, "report.update", wanted, { id = id, schema = schema.update,
    check = categories.check_changes,
    current = function() return shown(ctx, id) end })
  db.transaction(ctx, function(tx)
    local report = changes.lock(tx, id, access.can_update, versions)
    store.update(tx, changed(tx, report, wanted))
    local after = store.get(tx, id)
    local old, new = view.member(report), view.member(after)
    audit.write(tx, { action = "report.update", resource_type = "report", resource_id = id,
      old = old, new = new })
    changes.announce(tx, "report.updated", after, nil, { previous = difference(new, old) })
  end)
end

--- Deletes a report (softly).
function M.delete(ctx, id, versions)
  return db.transaction(ctx, function(tx)
    local report = changes.lock(tx, id, access.can_delete, versions)
    store.delete(tx, id, time.now())
    escalation.stop(tx, id)
    audit.write(tx, { action = "report.delete", resource_type = "report", resource_id = id,
      old = view.member(report) })
    changes.announce(tx, "report.updated", report, nil, { deleted = true })
  end)
end

return M
