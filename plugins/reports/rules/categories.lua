-- The kinds of hazards a tenant takes: its own list (settings.categories) or this one.

local M = {}

local DEFAULTS = {
  { code = "roads", name = "Roads and pavements", icon = "road", severity = "medium",
    slaHours = 72 },
  { code = "street_light", name = "Street lighting", icon = "lightbulb", severity = "medium",
    slaHours = 72 },
  { code = "electrical", name = "Electrical", icon = "bolt", severity = "high", slaHours = 8 },
  { code = "water", name = "Water and drains", icon = "droplet", severity = "high", slaHours = 24 },
  { code = "parks", name = "Parks and trees", icon = "tree", severity = "low", slaHours = 120 },
  { code = "waste", name = "Waste and fly-tipping", icon = "trash", severity = "low",
    slaHours = 120 },
  { code = "signs", name = "Signs and signals", icon = "sign", severity = "medium", slaHours = 48 },
  { code = "building", name = "Buildings and structures", icon = "building", severity = "high",
    slaHours = 24 },
  { code = "other", name = "Something else", icon = "alert", severity = "medium", slaHours = 96 },
}

--- Returns the tenant's categories: {code, name, icon, severity, slaHours} each.
function M.list(settings)
  local own = settings and settings.categories
  return type(own) == "table" and #own > 0 and own or DEFAULTS
end

--- Returns the category of that code, or nil.
function M.find(settings, code)
  for _, category in ipairs(M.list(settings)) do
    if category.code == code then
      return category
    end
  end
end

--- Returns the codes of all categories.
function M.codes(settings)
  local codes = {}
  for i, category in ipairs(M.list(settings)) do
    codes[i] = category.code
  end
  return codes
end

return M
