-- What the calls on reports answer, as the API's description tells it. A field that is empty is
-- left out, and so is one that `fields=` does not name.

local makers = require("core.schema.fields")
local s = require("core.schema")
local files = require("services.files")
local schema = require("plugins.reports.schema")

local M = {}

local id, time, text = makers.id, makers.time, makers.text

local function number(describe)
  return s.number({ optional = true, describe = describe })
end

local function severity(optional)
  return s.enum({ optional = optional, unpack(schema.SEVERITIES) })
end

-- `sparse`: any field but the id may be left out.
local function public_fields(sparse)
  return {
    id = id(),
    title = text(sparse),
    description = text(true),
    category = text(sparse, "a code of GET /reports/categories"),
    severity = severity(sparse),
    status = text(sparse, "one of " .. table.concat(schema.STATUSES, ", ")),
    location = s.object({
      description = text(true),
      latitude = number(),
      longitude = number(),
      accuracy = number("metres"),
    }, { optional = sparse }),
    createdAt = time(sparse),
    updatedAt = time(sparse),
    resolvedAt = time(true),
    distance = number("metres, where one asked for a place"),
  }
end

local function member_fields(sparse)
  local fields = public_fields(sparse)
  fields.tags = s.array({ of = s.string(), optional = sparse })
  fields.isAnonymous = s.boolean({ optional = sparse })
  fields.source = text(sparse, "web, mobile, api, open311, bulk or sync")
  fields.metadata = s.map({ optional = sparse })
  fields.duplicateOf = id(true)
  fields.slaDueAt = time(true)
  fields.version = s.integer({ optional = sparse })
  fields.thumbnailUrl = text(true)
  return fields
end

local change = s.object({
  id = id(true),
  from = text(true),
  to = text(),
  reason = text(true),
  changedBy = id(true),
  createdAt = time(),
}, { name = "ReportChange" })

local escalations = s.array({ optional = true, describe = "for staff: its time is running out",
  of = s.object({
    percent = s.integer({ describe = "so much of the time to resolve it was over" }),
    breached = s.boolean(),
    dueAt = time(true),
    createdAt = time(),
  }, { name = "Escalation" }) })

local public = s.object(public_fields(), { name = "PublicReport" })

local tracked = public_fields()
tracked.trackingCode = text()
tracked.history = s.array({ of = change })
tracked.attachments = s.array({ of = files.ATTACHMENT, optional = true })

local listed = member_fields(true)
listed.attachments = s.array({ of = files.ATTACHMENT, optional = true })
listed.workOrders = s.array({ optional = true })
listed.escalations = escalations

local full = member_fields()
full.trackingCode = text(false, "the reporter's key to it")
full.followerCount = s.integer()
full.reporter = s.object({ userId = id(true), name = text(true), email = text(true),
  phone = text(true) })
full.attachments = s.array({ of = files.ATTACHMENT })
full.history = s.array({ of = change, optional = true })
full.workOrders = s.array({ optional = true, describe = "for staff" })
full.escalations = escalations

M.full = s.object(full, { name = "Report" })
M.tracked = s.object(tracked, { name = "TrackedReport" })
M.list = s.array({ of = s.object(listed, { name = "ListedReport" }) })
M.nearby = s.array({ of = public })

M.created_meta = s.object({
  possibleDuplicates = s.array({ of = public }),
  exifLocation = s.object({ latitude = s.number(), longitude = s.number() }, { optional = true,
    describe = "where a photo says that it was taken" }),
})

M.categories = s.array({ of = s.object({
  code = text(),
  name = text(),
  icon = text(true),
  severity = severity(true),
  slaHours = number(),
  fields = s.array({ of = s.map(), optional = true,
    describe = "name, label, type, required and options of what its metadata must tell" }),
}, { name = "Category" }) })

return M
