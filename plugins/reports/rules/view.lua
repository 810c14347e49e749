-- What each kind of reader is shown of a report. Views are of the row that the store returns
-- (snake_case, JSON columns decoded); names outside are camelCase.

local M = {}

--- The names that M.member may show, which `fields=` may ask for.
M.MEMBER_FIELDS = {
  "id", "title", "description", "category", "severity", "status", "location", "createdAt",
  "updatedAt", "resolvedAt", "distance", "tags", "isAnonymous", "source", "metadata",
  "duplicateOf", "slaDueAt", "version", "thumbnailUrl",
}

local function location(report)
  return {
    description = report.location_description,
    latitude = report.latitude,
    longitude = report.longitude,
    accuracy = report.location_accuracy,
  }
end

--- What anybody may see: nothing that leads to a person, and not the tracking code either,
-- which is the reporter's key.
function M.public(report)
  return {
    id = report.id,
    title = report.title,
    description = report.description,
    category = report.category,
    severity = report.severity_level,
    status = report.status,
    location = location(report),
    createdAt = report.created_at,
    updatedAt = report.updated_at,
    resolvedAt = report.resolved_at,
    distance = report.distance,
  }
end

--- What members of the tenant see in lists and events: no contact, no tracking code.
function M.member(report)
  local view = M.public(report)
  view.tags = report.tags
  view.isAnonymous = report.reporter_id == nil
  view.source = report.source
  view.metadata = report.metadata
  view.duplicateOf = report.duplicate_of
  view.slaDueAt = report.sla_due_at
  view.version = report.version
  view.thumbnailUrl = report.thumbnail_url
  return view
end

--- What staff and the reporter see. `contact` is {name, email, phone} once decrypted, or nil.
function M.full(report, contact)
  local view = M.member(report)
  view.trackingCode = report.tracking_code
  view.followerCount = report.follower_count or 0
  contact = contact or {}
  view.reporter = {
    userId = report.reporter_id,
    name = contact.name,
    email = contact.email,
    phone = contact.phone,
  }
  return view
end

-- What an event's data, made by M.full, keeps for those who may see less.
local PUBLIC = {
  "id", "title", "description", "category", "severity", "status", "location", "createdAt",
  "updatedAt", "resolvedAt", "previousStatus", "deleted",
}

--- The data of an event for members of the tenant.
function M.for_members(data)
  local copy = {}
  for name, value in pairs(data) do
    copy[name] = value
  end
  copy.reporter, copy.trackingCode = nil, nil
  return copy
end

--- The data of an event for anybody who follows the report.
function M.for_anybody(data)
  local copy = {}
  for _, name in ipairs(PUBLIC) do
    copy[name] = data[name]
  end
  return copy
end

--- One line of the history. Who made the change and why is for staff; only a rejection's reason
-- is written for whoever reported.
function M.change(row, is_staff)
  return {
    id = is_staff and row.id or nil,
    from = row.from_status,
    to = row.to_status,
    reason = (is_staff or row.to_status == "rejected") and row.reason or nil,
    changedBy = is_staff and row.changed_by or nil,
    createdAt = row.created_at,
  }
end

return M
