-- Who may do what with a report, as pure functions of a person and a row.

local M = {}

--- Returns what counts about the caller: {user_id, reads_all, updates, deletes}.
function M.person(ctx)
  return {
    user_id = ctx.actor.user_id,
    reads_all = ctx:can("reports.read"),
    updates = ctx:can("reports.update"),
    deletes = ctx:can("reports.delete"),
  }
end

--- Tells whether the person made the report.
function M.is_owner(person, report)
  return person.user_id ~= nil and person.user_id == report.reporter_id
end

--- Tells whether the person may read it; `code` is a tracking code that was shown, or nil.
function M.can_read(person, report, code)
  return person.reads_all or M.is_owner(person, report)
    or (code ~= nil and code == report.tracking_code)
end

--- Tells whether the person may change its words, place and pictures.
function M.can_update(person, report)
  return person.updates or (M.is_owner(person, report) and report.status == "submitted")
end

--- Tells whether the person may delete it.
function M.can_delete(person, report)
  return person.deletes or (M.is_owner(person, report) and report.status == "submitted")
end

return M
