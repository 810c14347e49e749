-- Reports: what may be done with them, and what each change entails. Every change writes its
-- audit row, its history and its event in the transaction of the change.

local config = require("core.config")
local stamps = require("core.stamps")
local db = require("core.db")
local errors = require("core.errors")
local crypto = require("core.crypto")
local etag = require("core.etag")
local json = require("core.json")
local time = require("core.time")
local uuid = require("core.uuid")
local audit = require("services.audit")
local events = require("services.events")
local files = require("services.files")
local identity = require("services.identity")
local access = require("plugins.reports.rules.access")
local categories = require("plugins.reports.categories")
local contact = require("plugins.reports.contact")
local extensions = require("plugins.reports.extensions")
local states = require("plugins.reports.rules.states")
local store = require("plugins.reports.store")
local tracked = require("plugins.reports.tracked")
local tracking = require("plugins.reports.rules.tracking")
local tracking_store = require("plugins.reports.tracking_store")
local view = require("plugins.reports.rules.view")
local words = require("plugins.reports.rules.words")

local M = {}

local HOUR_MS = 3600 * 1000
local SORTED = { sorted = true }
local DUPLICATE_DAYS = 14
local DUPLICATE_RADIUS_M = 50
-- Similar words are looked for among this many reports close by, and as many of the newest.
local SIMILAR_RADIUS_M = 1000
local SIMILAR_EXAMINED = 50
local SIMILAR_CANDIDATES = 6
local MAX_DUPLICATES = 5
-- Public lists leave out what is nobody's hazard.
local NOT_A_HAZARD = { "rejected", "duplicate" }

local function not_found()
  errors.raise("NOT_FOUND", "No such report")
end

-- What the event log keeps: no contact, since that is read with the detail by those who may.
local function snapshot(report, attachments)
  local data = view.full(report)
  data.thumbnailUrl = attachments and attachments[1] and attachments[1].thumbnailUrl or nil
  return data
end

local function announce(ctx, name, report, attachments, extra)
  local data = snapshot(report, attachments or files.list(ctx, "report", report.id))
  for key, value in pairs(extra or {}) do
    data[key] = value
  end
  stamps.touch(ctx, report.id)
  events.emit(ctx, name, { resource_type = "report", resource_id = report.id, data = data })
end

local function check_version(report, version)
  if version and version ~= report.version then
    errors.raise("PRECONDITION_FAILED", "The report has changed since you read it")
  end
end

-- A report, or nil, that the caller may see, else 404, and change, else 403: `allowed` says so.
local function check_rights(ctx, report, allowed)
  local person = access.person(ctx)
  if not report or not access.can_read(person, report) then
    not_found()
  end
  if not allowed(person, report) then
    errors.raise("FORBIDDEN", "You may not change this report")
  end
end

-- The locked report, with all that the caller must be allowed to and know of it.
local function lock(ctx, id, allowed, version)
  local report = store.get(ctx, id, true)
  check_rights(ctx, report, allowed)
  check_version(report, version)
  return report
end

local function is_duplicate(report, candidate, alike)
  return candidate.category == report.category and candidate.distance
    and candidate.distance <= DUPLICATE_RADIUS_M or alike(candidate.title)
end

-- Reports that may be the same hazard, nearest first, as JSON: one bounded query to find them, one
-- to show them.
local function possible_duplicates(ctx, report)
  local since = time.iso(time.now_ms() - DUPLICATE_DAYS * 24 * HOUR_MS)
  local own_words = words.list(report.title)
  local candidates = store.find_similar(ctx, report, {
    since = since, hidden = NOT_A_HAZARD, words = own_words,
    radius = DUPLICATE_RADIUS_M, words_radius = SIMILAR_RADIUS_M,
    examined = SIMILAR_EXAMINED, limit = SIMILAR_CANDIDATES,
  })
  local function alike(title)
    return words.are_common(own_words, title)
  end
  local found, seen = {}, {}
  for _, candidate in ipairs(candidates) do
    if #found < MAX_DUPLICATES and not seen[candidate.id]
      and is_duplicate(report, candidate, alike) then
      found[#found + 1] = candidate.id
    end
    seen[candidate.id] = true
  end
  return json.raw(#found == 0 and "[]"
    or "[" .. store.show_all(ctx, found, report, view.NEAR) .. "]")
end

local function new_row(ctx, input, category)
  local now_ms = time.now_ms()
  local location = input.location or {}
  local id = uuid.v7()
  local user_id = ctx.actor.user_id
  local severity = input.severity or categories.severity(category)
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
    sla_due_at = categories.due_at(ctx, category, severity, now_ms),
    created_at = time.iso(now_ms),
    updated_at = time.iso(now_ms),
  }
end

local function store_new(ctx, row, prepared)
  row.tracking_code = tracking.make(crypto.random)
  return db.transaction(ctx, function(tx)
    store.insert(tx, row)
    store.add_history(tx, {
      report_id = row.id, to_status = row.status, changed_by = row.reporter_id,
      created_at = row.created_at,
    })
    local attachments = files.attach(tx, "report", row.id, prepared)
    audit.write(tx, { action = "report.create", resource_type = "report", resource_id = row.id,
      new = view.member(row) })
    announce(tx, "report.created", row, attachments)
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
-- @return what the reporter is answered, and the answer's meta
function M.create(ctx, input, uploads)
  local category = categories.find(ctx, input.category)
    or error("category not checked: " .. tostring(input.category))
  local prepared = files.prepare(ctx, uploads, { kinds = "picture", field = "photos",
    max = config.get().files.report_photos })
  local row = new_row(ctx, input, category)
  local ok, attachments = pcall(store_new, ctx, row, prepared)
  if not ok and is_taken_code(attachments) then
    attachments = store_new(ctx, row, prepared)
  elseif not ok then
    error(attachments, 0)
  end
  local answer = view.full(row)
  answer.attachments = json.array(attachments)
  local meta = { possibleDuplicates = possible_duplicates(ctx, row) }
  for _, file in ipairs(prepared) do
    meta.exifLocation = meta.exifLocation or file.gps
  end
  return answer, meta
end

--- Returns the row of a report that the caller may read, or nil. `code` is a tracking code that
-- was shown, or nil.
function M.find(ctx, id, code)
  local report = store.get(ctx, id)
  if report and access.can_read(access.person(ctx), report, code) then
    return report
  end
end

-- Texts of JSON as further fields of an object's text. In this order: the same state has the same
-- text, and so the same tag, in every process.
local function extended(text, ...)
  local parts = { text:sub(1, -2) }
  for i = 1, select("#", ...), 2 do
    local name, value = select(i, ...)
    parts[#parts + 1] = ',"' .. name .. '":' .. value
  end
  parts[#parts + 1] = "}"
  return table.concat(parts)
end

local function attachments_of(ctx, kept)
  return kept.has_attachments == 1 and json.encode(files.list(ctx, "report", kept.id), SORTED)
    or "[]"
end

local PRESENCE = "has_"

-- How a detail is read: the statement, which tells what sections have something to read, and the
-- shapes. Made at the first use: by then the plugins have registered their sections.
local plan
local function detail_plan()
  if not plan then
    local columns, sql = {}, {}
    for i, name in ipairs(extensions.section_names()) do
      columns[i] = PRESENCE .. name
      sql[i] = ", " .. extensions.section_exists(name, "r.id") .. " AS " .. columns[i]
    end
    plan = {
      staff = view.detail_shape(true, columns),
      reporter = view.detail_shape(false, {}),
      staff_sql = store.show_sql(table.concat(sql)),
      sql = store.show_sql(""),
    }
  end
  return plan
end

local function with_sections(ctx, text, kept)
  for _, name in ipairs(extensions.section_names()) do
    local section = kept[PRESENCE .. name] == 1
      and json.encode(extensions.read_section(ctx, name, { kept.id })[kept.id], SORTED) or "[]"
    text = extended(text, name, section)
  end
  return text
end

--- Returns one report with everything the caller may see of it, as JSON text, and its version.
function M.show(ctx, id)
  local person = access.person(ctx)
  local is_staff = person.reads_all
  local how = detail_plan()
  local text, kept, history = store.show(ctx, id, is_staff and how.staff or how.reporter,
    is_staff and how.staff_sql or how.sql)
  if not text or not access.can_read(person, kept) then
    not_found()
  end
  text = extended(text,
    "reporter", json.encode(view.reporter(kept, contact.open(ctx, kept)), SORTED),
    "attachments", attachments_of(ctx, kept),
    "history", "[" .. history .. "]")
  return is_staff and with_sections(ctx, text, kept) or text, kept.version
end

-- The tenant in which a code was found, whom whoever has the code need not name; nil when they name
-- another.
local function tenant_of(ctx, found)
  if ctx.tenant then
    return ctx.tenant.id == found.tenant_id and ctx.tenant or nil
  end
  return identity.find_tenant(ctx, found.tenant_id)
end

-- A context of that tenant, or nil.
local function context_of(ctx, found)
  local tenant = tenant_of(ctx, found)
  return tenant and ctx:with({ tenant = tenant })
end

--- Returns the row of a report by its tracking code and a context of its tenant, or nil.
function M.find_by_code(ctx, text)
  local code = tracking.normalize(text)
  local found = code and tracking_store.find(ctx, code)
  local own = found and context_of(ctx, found)
  return own and store.get(own, found.id), own
end

local function read_tracked(ctx, found)
  local text, kept, history = store.show(ctx, found.id, view.TRACKED, detail_plan().sql)
  if text then
    text = extended(text, "attachments", attachments_of(ctx, kept),
      "history", "[" .. history .. "]")
    return { text = text, tag = etag.of_text(text), tenant_id = found.tenant_id }
  end
end

--- Returns the public view of a report by its tracking code, with its history, as JSON text, and
-- its tag.
function M.track(ctx, text)
  local code = tracking.normalize(text) or not_found()
  local answer = tracked.find(code)
  if answer then
    return tenant_of(ctx, answer) and answer.text or not_found(), answer.tag
  end
  local found = tracking_store.find(ctx, code)
  local own = found and context_of(ctx, found)
  answer = own and tracked.keep(code, found.id, function()
    return read_tracked(own, found)
  end) or not_found()
  return answer.text, answer.tag
end

--- Returns public views of reports around a position, nearest first, each with its distance.
function M.nearby(ctx, query)
  ctx:require_tenant()
  local found = json.array({})
  local rows = store.find_near(ctx, query.lat, query.lng, {
    radius = query.radius, limit = query.limit, hidden = NOT_A_HAZARD,
  })
  for i, row in ipairs(rows) do
    row.distance = math.floor(row.distance + 0.5)
    found[i] = view.public(row)
  end
  return found
end

-- The row as it will be after `changes` (schema.update).
local function changed(ctx, report, changes)
  local row = {}
  for column, value in pairs(report) do
    row[column] = value
  end
  row.title = changes.title or report.title
  row.description = changes.description or report.description
  row.severity_level = changes.severity or report.severity_level
  row.tags = changes.tags and json.array(changes.tags) or report.tags
  row.metadata = changes.metadata or report.metadata
  row.category = changes.category or report.category
  if row.category ~= report.category or row.severity_level ~= report.severity_level then
    local category = categories.find(ctx, row.category)
    -- Of a category that the tenant has taken from its list the old date stays.
    row.sla_due_at = category and categories.due_at(ctx, category,
      row.severity_level, time.parse(report.created_at)) or report.sla_due_at
  end
  if changes.location then
    row.location_description = changes.location.description
    row.latitude = changes.location.latitude
    row.longitude = changes.location.longitude
    row.location_accuracy = changes.location.accuracy
  end
  row.updated_at = time.now()
  return row
end

--- Changes a report's words, place, category or severity.
-- @param version the version the caller has read (If-Match), or nil
function M.update(ctx, id, changes, version)
  db.transaction(ctx, function(tx)
    local report = lock(tx, id, access.can_update, version)
    store.update(tx, changed(tx, report, changes))
    local after = store.get(tx, id)
    audit.write(tx, { action = "report.update", resource_type = "report", resource_id = id,
      old = view.member(report), new = view.member(after) })
    announce(tx, "report.updated", after)
  end)
end

--- Deletes a report (softly).
function M.delete(ctx, id, version)
  return db.transaction(ctx, function(tx)
    local report = lock(tx, id, access.can_delete, version)
    store.delete(tx, id, time.now())
    audit.write(tx, { action = "report.delete", resource_type = "report", resource_id = id,
      old = view.member(report) })
    announce(tx, "report.updated", report, nil, { deleted = true })
  end)
end

-- Moves a locked report one step on; the event follows once per call, from the caller.
local function step(ctx, report, to, reason)
  local now = time.now()
  local from = report.status
  states.machine:check(from, to)
  local resolved_at = report.resolved_at
  if to == "resolved" then
    resolved_at = now
  elseif to == "reopened" then
    resolved_at = nil
  end
  store.set_status(ctx, { id = report.id, status = to, duplicate_of = report.duplicate_of,
    resolved_at = resolved_at, updated_at = now })
  store.add_history(ctx, { report_id = report.id, from_status = from, to_status = to,
    reason = reason, changed_by = ctx.actor.user_id, created_at = now })
  audit.write(ctx, { action = "report.status", resource_type = "report", resource_id = report.id,
    old = { status = from },
    new = { status = to, reason = reason, duplicateOf = report.duplicate_of } })
  report.status, report.resolved_at = to, resolved_at
end

local function may_move(person)
  return person.updates
end

--- Moves a report to another status.
-- @param change {status, reason|nil}; rejecting needs a reason
function M.set_status(ctx, id, change, version)
  if change.status == "rejected" and not change.reason then
    errors.validation({ { field = "reason", code = "required",
      message = "must say why the report is rejected" } })
  elseif change.status == "duplicate" then
    errors.validation({ { field = "status", code = "check",
      message = "must not be duplicate: POST /reports/:id/merge names the report it is one of" } })
  end
  db.transaction(ctx, function(tx)
    local report = lock(tx, id, may_move, version)
    local from = report.status
    step(tx, report, change.status, change.reason)
    announce(tx, "report.updated", store.get(tx, id), nil, { previousStatus = from })
  end)
end

-- Both reports, locked in the order of their ids: two merges never wait for each other.
local function lock_both(ctx, id, other)
  local found = {}
  for _, wanted in ipairs(id < other and { id, other } or { other, id }) do
    found[wanted] = store.get(ctx, wanted, true)
  end
  return found[id], found[other]
end

local function check_survivor(report, survivor)
  local message
  if survivor.id == report.id then
    message = "must be another report"
  elseif survivor.status == "duplicate" then
    message = "must not be a duplicate itself"
  end
  if message then
    errors.validation({ { field = "into", code = "check", message = message } })
  end
end

-- The duplicates of a report that becomes one itself are its survivor's from now on.
local function move_duplicates(ctx, from, survivor)
  for _, report in ipairs(store.lock_duplicates(ctx, from.id)) do
    store.set_status(ctx, { id = report.id, status = report.status, duplicate_of = survivor.id,
      resolved_at = report.resolved_at, updated_at = time.now() })
    audit.write(ctx, { action = "report.merge", resource_type = "report", resource_id = report.id,
      old = { duplicateOf = from.id }, new = { duplicateOf = survivor.id } })
    announce(ctx, "report.updated", store.get(ctx, report.id))
  end
end

--- Makes a report a duplicate of another, which goes on in its place.
-- @param into the id of the survivor
-- @param version the version of the duplicate that the caller has read (If-Match), or nil
function M.merge(ctx, id, into, version)
  db.transaction(ctx, function(tx)
    local report, survivor = lock_both(tx, id, into)
    check_rights(tx, report, may_move)
    check_rights(tx, survivor, may_move)
    check_version(report, version)
    check_survivor(report, survivor)
    local from = report.status
    report.duplicate_of = survivor.id
    step(tx, report, "duplicate")
    move_duplicates(tx, report, survivor)
    announce(tx, "report.updated", store.get(tx, id), nil, { previousStatus = from })
  end)
end

--- Carries a report forward because work on it did (a plugin's call, inside its transaction).
-- Does nothing when the report is there or beyond.
-- @param cause one sentence for the history
function M.progress(ctx, id, status, cause)
  local report = store.get(ctx, id, true)
  local steps = report and states.steps(report.status, status) or {}
  local from = report and report.status
  for _, to in ipairs(steps) do
    step(ctx, report, to, cause)
  end
  if #steps > 0 then
    announce(ctx, "report.updated", store.get(ctx, id), nil, { previousStatus = from })
  end
end

--- Returns the locked report that a work order is about to be made from; 404 when there is none,
-- 409 when it takes no work any more.
function M.get_for_work_order(ctx, id)
  local report = store.get(ctx, id, true)
  if not report then
    not_found()
  end
  if not states.takes_work(report.status) then
    errors.raise("CONFLICT", "A report that is " .. report.status .. " takes no work order")
  end
  return report
end

--- Locks a report until the transaction ends: what hangs on it is decided one at a time.
function M.lock(ctx, id)
  store.get(ctx, id, true)
end

return M
