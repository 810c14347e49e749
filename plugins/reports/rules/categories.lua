-- The kinds of hazards a tenant takes: its own list (settings.categories) or this one; how soon
-- each is to be resolved, and what a report of it must tell besides.

local M = {}

--- Of a report whose category names none.
M.SEVERITY = "medium"

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

-- The tenant's own list, or nil.
local function own_list(settings)
  local own = settings and settings.categories
  return type(own) == "table" and #own > 0 and own or nil
end

--- Returns the tenant's categories: {code, name, icon, severity, slaHours, fields} each.
function M.list(settings)
  return own_list(settings) or DEFAULTS
end

--- Returns the hours in which a report of this category and severity is to be resolved, or nil:
-- those that the tenant gave the category, else the severity (settings.slaHours), else the
-- platform's.
function M.sla_hours(settings, category, severity)
  local by_severity = settings and settings.slaHours
  return own_list(settings) and category.slaHours or by_severity and by_severity[severity]
    or category.slaHours
end

--- Returns the categories as callers see them, with the hours that hold.
function M.shown(settings)
  local list = {}
  for i, category in ipairs(M.list(settings)) do
    local shown = {}
    for key, value in pairs(category) do
      shown[key] = value
    end
    shown.slaHours = M.sla_hours(settings, category, category.severity or M.SEVERITY)
    list[i] = shown
  end
  return list
end

local TYPES = { text = "string", number = "number", boolean = "boolean", choice = "string" }

local function is_one_of(value, options)
  for _, option in ipairs(options) do
    if option == value then
      return true
    end
  end
  return false
end

--- Checks the metadata of a report against the fields of its category.
-- @param problem function(field, code, message)
function M.check_fields(category, metadata, problem)
  for _, field in ipairs(category.fields or {}) do
    local value, where = metadata[field.name], "metadata." .. field.name
    local is_missing = value == nil or value == ""
    if is_missing and field.required then
      problem(where, "required", "is required for this category")
    elseif not is_missing and type(value) ~= TYPES[field.type] then
      problem(where, "type", "must be a " .. field.type)
    elseif not is_missing and field.type == "choice" and not is_one_of(value, field.options) then
      problem(where, "enum", "must be one of " .. table.concat(field.options, ", "))
    end
  end
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
