-- What a tenant's own wording of each message can name: {{workorder.number}}.

local view = require("plugins.workorders.rules.view")

local PLACES = { "location.description", "location.latitude", "location.longitude",
  "assignee.name", "team.name" }

-- The names of a work order's fields, and further ones.
local function order_and(...)
  local names = { workOrderId = true }
  for _, fields in ipairs({ view.ORDER_FIELDS, PLACES }) do
    for _, field in ipairs(fields) do
      names["workorder." .. field] = true
    end
  end
  for _, name in ipairs({ ... }) do
    names[name] = true
  end
  return names
end

return {
  ["workorder.assigned"] = order_and("workorder.message"),
  ["workorder.escalated"] = order_and("percent"),
}
