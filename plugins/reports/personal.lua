-- What reports hold of a person: for their numbers, their copy of their data, and their erasure.

local json = require("core.json")
local contact = require("plugins.reports.contact")
local store = require("plugins.reports.personal_store")

local M = {}

function M.stats(ctx, user_id)
  local numbers = store.count_of(ctx, user_id)
  return { reportsMade = numbers.made, reportsResolved = numbers.resolved }
end

function M.export(ctx, user_id, add)
  local list = json.array({})
  for i, row in ipairs(store.list_of(ctx, user_id)) do
    list[i] = {
      id = row.id, tenantId = row.tenant_id, trackingCode = row.tracking_code, title = row.title,
      description = row.description, category = row.category, severity = row.severity_level,
      status = row.status, createdAt = row.created_at, contact = contact.open(ctx, row),
      location = { description = row.location_description, latitude = row.latitude,
        longitude = row.longitude },
    }
  end
  add.json("reports.json", list)
end

M.erase = store.forget_contact

return M
