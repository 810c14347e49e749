-- What each kind of reader is shown of a report. Views are of the row that the store returns
-- (snake_case, JSON columns decoded); names outside are camelCase.

local json = require("core.json")
local shape = require("core.shape")
local files = require("services.files")

local M = {}

local SORTED = { sorted = true }

-- What anybody may see: nothing that leads to a person, and not the tracking code either, which is
-- the reporter's key.
local PUBLIC_FIELDS = {
  { "id", "id" },
  { "title", "title" },
  { "description", "description" },
  { "category", "category" },
  { "severity", "severity_level" },
  { "status", "status" },
  { "location", {
    { "description", "location_description" },
    { "latitude", "latitude" },
    { "longitude", "longitude" },
    { "accuracy", "location_accuracy" },
  } },
  { "createdAt", "created_at" },
  { "updatedAt", "updated_at" },
  { "resolvedAt", "resolved_at" },
}
local DISTANCE = { { "distance", "distance" } }
-- What members of the tenant see in lists and events: no contact, no tracking code.
local MEMBER_FIELDS = shape.join(PUBLIC_FIELDS, {
  { "tags", "tags", json = true },
  { "isAnonymous", "reporter_id", is_null = true },
  { "source", "source" },
  { "metadata", "metadata", json = true },
  { "duplicateOf", "duplicate_of" },
  { "slaDueAt", "sla_due_at" },
  { "version", "version" },
})
local COVER = {
  { "thumbnailUrl", "cover_id", before = files.THUMBNAIL_BEFORE, after = files.THUMBNAIL_AFTER },
}
local CODE = { { "trackingCode", "tracking_code" } }
local FOLLOWERS = { { "followerCount", "follower_count" } }
-- What staff and the reporter see besides; who reported is added apart, since contacts are sealed.
local FULL_FIELDS = shape.join(MEMBER_FIELDS, CODE, FOLLOWERS)

-- The columns by which a list is sorted, and so where its next page begins.
local POSITION = { "id", "created_at", "updated_at", "severity_rank", "status", "title",
  "sla_due_at" }

local public = shape.new(shape.join(PUBLIC_FIELDS, DISTANCE))
local member = shape.new(MEMBER_FIELDS)

--- The names that a list may show, which `fields=` may ask for.
M.LIST_FIELDS = shape.names(shape.join(MEMBER_FIELDS, DISTANCE, COVER))

-- A line of the history. Who made a change and why is for staff; only a rejection's reason is
-- written for whoever reported.
local STAFF_CHANGE = shape.new({
  { "id", "change_id" },
  { "from", "from_status" },
  { "to", "to_status" },
  { "reason", "reason" },
  { "changedBy", "changed_by" },
  { "createdAt", "changed_at" },
})
local PUBLIC_CHANGE = shape.new({
  { "from", "from_status" },
  { "to", "to_status" },
  { "reason", "public_reason" },
  { "createdAt", "changed_at" },
})

-- What Lua opens, checks and adds to a detail.
local DETAIL_KEPT = { "id", "reporter_id", "reporter_contact", "version", "has_attachments" }

--- The shape of a detail with its history, open for further fields. `more` are columns to keep
-- besides.
function M.detail_shape(is_staff, more)
  local keep = {}
  for _, columns in ipairs({ DETAIL_KEPT, more }) do
    for _, column in ipairs(columns) do
      keep[#keep + 1] = column
    end
  end
  return shape.new(FULL_FIELDS, { keep = keep, open = true, when = "change_id",
    lines = is_staff and STAFF_CHANGE or PUBLIC_CHANGE })
end

--- The shape of what whoever has a tracking code sees, open for further fields.
M.TRACKED = shape.new(shape.join(PUBLIC_FIELDS, CODE), { keep = { "id", "has_attachments" },
  open = true, when = "change_id", lines = PUBLIC_CHANGE })

--- The shape of a line of a list, with the fields of the set `names` and the id, or all.
function M.list_shape(names)
  local all = shape.join(MEMBER_FIELDS, COVER)
  return shape.new(names and shape.pick(all, names) or all, { keep = POSITION })
end

--- The shape of what anybody may see, with its distance.
M.NEAR = public

--- What anybody may see.
function M.public(report)
  return public:of(report)
end

--- What members of the tenant see in events.
function M.member(report)
  return member:of(report)
end

--- Who reported: `contact` is {name, email, phone} once decrypted, or nil.
function M.reporter(report, contact)
  contact = contact or {}
  return {
    userId = report.reporter_id,
    name = contact.name,
    email = contact.email,
    phone = contact.phone,
  }
end

--- The same as JSON text; without a contact, as most are, there is an id or nothing.
function M.reporter_json(report, contact)
  if contact then
    return json.encode(M.reporter(report, contact), SORTED)
  end
  return report.reporter_id and '{"userId":"' .. report.reporter_id .. '"}' or "{}"
end

--- What staff and the reporter see.
function M.full(report, contact)
  local view = M.member(report)
  view.trackingCode = report.tracking_code
  view.followerCount = report.follower_count or 0
  view.reporter = M.reporter(report, contact)
  return view
end

--- The same as JSON text. A row that is written several times has it as `shown`.
function M.member_text(report)
  return report.shown or member:text(report)
end

--- What staff and the reporter see without the contact, as JSON.
-- @param more further fields, as a table that is the view's from here on
function M.full_json(report, more)
  more.trackingCode = report.tracking_code
  more.followerCount = report.follower_count or 0
  more.reporter = M.reporter(report)
  return json.raw(M.member_text(report):sub(1, -2) .. "," .. json.encode(more):sub(2))
end

-- What an event's data, made by M.full_json, keeps for those who may see less.
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

return M
