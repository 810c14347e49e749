--- A row of the event log as the platform's event.

local json = require("core.json")

local M = {}

--- {id, tenantId, seq, event, resourceType, resourceId, data, actor, requestId, occurredAt,
-- position}: position is the place in the whole log.
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
    actor = json.decode(row.actor),
    requestId = row.request_id,
    occurredAt = row.occurred_at,
  }
end

return M
