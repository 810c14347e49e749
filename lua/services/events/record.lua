--- A row of the event log as the platform's event.

local json = require("core.json")
local snapshot = require("services.events.snapshot")

local M = {}

--- {id, tenantId, seq, event, resourceType, resourceId, data, actor, requestId, occurredAt,
-- position}: position is the place in the whole log. `personal` is what of the data names somebody,
-- sealed (services.events.snapshot).
function M.event(row)
  return {
    id = row.event_id,
    position = row.id,
    tenantId = row.tenant_id,
    seq = row.seq,
    event = row.event,
    resourceType = row.resource_type,
    resourceId = row.resource_id,
    data = json.decode(row.payload),
    personal = row.personal and json.decode(row.personal),
    actor = json.decode(row.actor),
    requestId = row.request_id,
    occurredAt = row.occurred_at,
  }
end

--- Rows as events that tell what they know of persons, as far as there are keys.
function M.read(ctx, rows)
  local events = {}
  for i, row in ipairs(rows) do
    events[i] = M.event(row)
  end
  return snapshot.show(ctx, events)
end

return M
