-- HTTP of reports.

local answers = require("plugins.reports.answers")
local categories = require("plugins.reports.categories")
local etag = require("core.etag")
local json = require("core.json")
local reply = require("core.reply")
local list = require("plugins.reports.list")
local schema = require("plugins.reports.schema")
local near = require("plugins.reports.near")
local reading = require("plugins.reports.reading")
local service = require("plugins.reports.service")
local status = require("plugins.reports.status")
local view = require("plugins.reports.rules.view")

local PATH = "/api/v1/reports/"

-- The state of a report for whoever asks, or has just changed it.
local function show(ctx, id)
  local shown, version = reading.show(ctx, id)
  return reply.ok(shown, { etag = etag.of_text(shown, version) })
end

local function create(ctx, input)
  local photos = input.files and input.files.photos
  local row, attachments, meta = service.store(ctx, input.body, photos)
  return reply.created(PATH .. row.id, view.full_json(row, { attachments = attachments }),
    { meta = meta })
end

return {
  {
    method = "POST", path = "/reports", summary = "Report a hazard, with up to three photos.",
    permission = "public", rate = "report", body = schema.create,
    check = categories.check,
    multipart = { photos = { max = "files.report_photos" }, data = "data" },
    answers = { [201] = "stored", [400] = "invalid fields or pictures" },
    returns = answers.full, meta = answers.created_meta, ruled = true,
    handler = create,
  },
  {
    method = "GET", path = "/reports", permission = "user", query = list.query,
    check = list.check,
    summary = "List reports: all of the tenant's with reports.read, else one's own.",
    returns = answers.list,
    handler = function(ctx, input)
      local found, meta = list.find(ctx, input.query)
      return reply.ok(found, { meta = meta })
    end,
  },
  {
    method = "GET", path = "/reports/categories", permission = "public",
    summary = "The tenant's categories, with icon, default severity and SLA hours.",
    returns = answers.categories,
    handler = function(ctx)
      return reply.ok(categories.list(ctx))
    end,
  },
  {
    method = "GET", path = "/reports/nearby", permission = "public", query = schema.nearby,
    summary = "Public reports around a position, nearest first.",
    returns = answers.nearby,
    handler = function(ctx, input)
      return reply.ok(near.nearby(ctx, input.query))
    end,
  },
  {
    method = "GET", path = "/reports/track/:code", permission = "public", tenant = false,
    params = schema.code, summary = "Where a report stands, by its tracking code.",
    answers = { [404] = "no such code" },
    returns = answers.tracked, versioned = true,
    handler = function(ctx, input)
      local text, tag = reading.track(ctx, input.params.code)
      return reply.ok(json.raw(text), { etag = tag })
    end,
  },
  {
    method = "GET", path = "/reports/:id", permission = "user", params = schema.id,
    summary = "One report with attachments, history and work orders.",
    answers = { [404] = "no such report, or none of yours" },
    returns = answers.full, versioned = true,
    handler = function(ctx, input)
      return show(ctx, input.params.id)
    end,
  },
  {
    method = "PUT", path = "/reports/:id", permission = "user", params = schema.id,
    body = schema.update, check = categories.check_changes,
    summary = "Change a report: its owner while it is submitted, or reports.update.",
    answers = { [412] = "changed since it was read" },
    returns = answers.full, versioned = true, ruled = true,
    handler = function(ctx, input)
      service.update(ctx, input.params.id, input.body, etag.wanted_versions(ctx))
      return show(ctx, input.params.id)
    end,
  },
  {
    method = "DELETE", path = "/reports/:id", permission = "user", params = schema.id,
    summary = "Delete a report: its owner while it is submitted, or reports.delete.",
    returns = false, versioned = true,
    handler = function(ctx, input)
      service.delete(ctx, input.params.id, etag.wanted_versions(ctx))
      return reply.ok(nil)
    end,
  },
  {
    method = "PUT", path = "/reports/:id/status", permission = "reports.update",
    params = schema.id, body = schema.status, summary = "Move a report to another status.",
    answers = { [409] = "not from this status; the allowed ones are in details" },
    returns = answers.full, versioned = true, ruled = true,
    handler = function(ctx, input)
      status.set_status(ctx, input.params.id, input.body, etag.wanted_versions(ctx))
      return show(ctx, input.params.id)
    end,
  },
  {
    method = "POST", path = "/reports/:id/merge", permission = "reports.update",
    params = schema.id, body = schema.merge,
    summary = "Make a report a duplicate of another, which goes on in its place.",
    answers = { [200] = "the report, now a duplicate",
      [400] = "into itself or into a duplicate", [404] = "no such report, or nothing to merge into",
      [409] = "not from this status; the allowed ones are in details" },
    returns = answers.full, versioned = true, ruled = true,
    handler = function(ctx, input)
      status.merge(ctx, input.params.id, input.body.into, etag.wanted_versions(ctx))
      return show(ctx, input.params.id)
    end,
  },
}
