-- What is shown of work orders, teams and remediations. Only members of a tenant see any.

local M = {}

--- The names that M.order may show, which `fields=` may ask for.
M.ORDER_FIELDS = {
  "id", "number", "reportId", "title", "description", "priority", "status", "assignedTo",
  "assignee", "teamId", "team", "assignedAt", "createdBy", "location", "scheduledStart",
  "scheduledEnd", "scheduleStatus", "estimatedMinutes", "minutesSpent", "completionNotes",
  "slaDueAt", "checklist", "metadata", "version", "createdAt", "updatedAt", "completedAt",
}

local function person(id, name)
  return id and { id = id, name = name } or nil
end

--- A work order, as lists and details show it.
function M.order(row)
  return {
    id = row.id,
    number = row.number,
    reportId = row.report_id,
    title = row.title,
    description = row.description,
    priority = row.priority,
    status = row.status,
    assignedTo = row.assigned_to,
    assignee = person(row.assigned_to, row.assignee_name),
    teamId = row.team_id,
    team = person(row.team_id, row.team_name),
    assignedAt = row.assigned_at,
    createdBy = row.created_by,
    location = { description = row.location_description, latitude = row.latitude,
      longitude = row.longitude },
    scheduledStart = row.scheduled_start,
    scheduledEnd = row.scheduled_end,
    scheduleStatus = row.schedule_status,
    estimatedMinutes = row.estimated_minutes,
    minutesSpent = row.minutes_spent,
    completionNotes = row.completion_notes,
    slaDueAt = row.sla_due_at,
    checklist = row.checklist,
    metadata = row.metadata,
    version = row.version,
    createdAt = row.created_at,
    updatedAt = row.updated_at,
    completedAt = row.completed_at,
  }
end

--- What the audit trail keeps of M.order: people by their ids, since it never forgets.
function M.audited(order)
  local copy = {}
  for name, value in pairs(order) do
    copy[name] = value
  end
  copy.assignee = nil
  return copy
end

--- Whose names the data of an event holds, made by M.order: path -> user id.
function M.named(data)
  local before = data.previous and data.previous.assignee
  return { ["assignee.name"] = data.assignedTo,
    ["previous.assignee.name"] = type(before) == "table" and before.id or nil }
end

--- One line of a work order's history.
function M.change(row)
  return {
    id = row.id,
    action = row.action,
    from = row.from_status,
    to = row.to_status,
    reason = row.reason,
    details = row.details,
    changedBy = person(row.changed_by, row.changed_by_name),
    createdAt = row.created_at,
  }
end

--- A team with its members' names.
function M.team(row, members)
  return { id = row.id, name = row.name, skills = row.skills, members = members,
    version = row.version, createdAt = row.created_at, updatedAt = row.updated_at }
end

--- A remediation with its pictures.
function M.remediation(row, before, after)
  return {
    id = row.id,
    workOrderId = row.work_order_id,
    performedBy = row.performed_by,
    description = row.description,
    materialsUsed = row.materials_used,
    timeSpent = row.time_spent,
    completionDate = row.completion_date,
    beforePhotos = before,
    afterPhotos = after,
    version = row.version,
    createdAt = row.created_at,
    updatedAt = row.updated_at,
  }
end

return M
