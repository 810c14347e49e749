-- A reporter's contact at rest: AES-256-GCM, bound to its report so that a sealed contact copied
-- into another row does not open.

local json = require("core.json")
local log = require("core.log")
local sealed = require("core.sealed")

local M = {}

local PURPOSE = "reports.contact"

--- Returns the sealed form of {name, email, phone}, or nil when there is nothing in it.
function M.seal(contact, report_id)
  if contact == nil or next(contact) == nil then
    return nil
  end
  return sealed.seal(PURPOSE, json.encode(contact), report_id)
end

--- Returns the contact of a row of the store, or nil. One that does not open (another key) is
-- logged and reads as none: a report must stay workable without it.
function M.open(ctx, report)
  if report.reporter_contact == nil then
    return nil
  end
  local plain, err = sealed.open(PURPOSE, report.reporter_contact, report.id)
  if not plain then
    log.error(ctx, "reporter contact does not open", { report = report.id, cause = tostring(err) })
    return nil
  end
  return json.decode(plain)
end

return M
