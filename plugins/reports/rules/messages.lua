-- What a tenant's own wording of each message can name: {{report.title}}.

local view = require("plugins.reports.rules.view")

local PLACES = { "trackingCode", "location.description", "location.latitude",
  "location.longitude" }

-- The names of a report's fields, and further ones.
local function report_and(...)
  local names = { reportId = true }
  for _, fields in ipairs({ view.LIST_FIELDS, PLACES }) do
    for _, field in ipairs(fields) do
      names["report." .. field] = true
    end
  end
  for _, name in ipairs({ ... }) do
    names[name] = true
  end
  return names
end

return {
  ["report.escalated"] = report_and("percent"),
}
