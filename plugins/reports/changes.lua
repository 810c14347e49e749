-- What every change of a report has in common: who may make it, and who hears of it.

local stamps = require("core.stamps")
local errors = require("core.errors")
local etag = require("core.etag")
local events = require("services.events")
local files = require("services.files")
local access = require("plugins.reports.rules.access")
local store = require("plugins.reports.store")
local view = require("plugins.reports.rules.view")

local M = {}

--- Raises that there is no such report, or none for the caller.
function M.not_found()
  errors.raise("NOT_FOUND", "No such report")
end

--- Emits an event of a report, inside the transaction that changes it. The event log keeps no
-- contact, since that is read with the detail by those who may.
-- @param attachments the list of the report's as it is answered, or nil to read it
-- @param extra fields of the event that are not the report's, or nil
function M.announce(ctx, name, report, attachments, extra)
  local cover = (attachments or files.list(ctx, "report", report.id))[1]
  local more = extra or {}
  more.thumbnailUrl = cover and cover.thumbnailUrl
  stamps.touch(ctx, report.id)
  events.emit(ctx, name, { resource_type = "report", resource_id = report.id,
    data = view.full_json(report, more) })
end

--- Raises 412 when the row is of none of the versions that the caller names (core.etag).
function M.check_version(report, versions)
  etag.require_version(versions, report.version, "The report")
end

--- Raises unless the caller may see the row, which may be nil (404), and change it (403).
-- @param allowed function(person, report) -> whether they may
function M.check_rights(ctx, report, allowed)
  local person = access.person(ctx)
  if not report or not access.can_read(person, report) then
    M.not_found()
  end
  if not allowed(person, report) then
    errors.raise("FORBIDDEN", "You may not change this report")
  end
end

--- Returns the locked row of a report that the caller may change and has read in one of these
-- versions.
function M.lock(ctx, id, allowed, versions)
  local report = store.get(ctx, id, true)
  M.check_rights(ctx, report, allowed)
  M.check_version(report, versions)
  return report
end

return M
