-- What other plugins add to reports: fields, and filters of the list. They register when they
-- start, so reports knows neither them nor their tables.

local M = {}

local sections = {} -- name -> {read, exists}
local names = {} -- of the sections, in order
local filters = {} -- name -> function(value) -> SQL, parameters
local groups = {} -- name -> function(report_id) -> SQL

--- Lets another plugin add a field to the reports that staff see: to the detail always, to a list
-- when include= names it.
-- @param read function(ctx, report_ids) -> {[report id] = JSON value} with a value for each; it is
--   asked once for a whole page
-- @param exists function(report_id) -> SQL that is true when there is something to read for the
--   report of that SQL expression: what is empty is not asked for
function M.register_section(name, read, exists)
  sections[name] = { read = read, exists = exists }
  names = {}
  for known in pairs(sections) do
    names[#names + 1] = known
  end
  table.sort(names)
end

--- Gives a filter of the list its meaning.
-- @param name one of those that schema.list_filters leaves to other plugins
-- @param choose function(value) -> SQL that selects report ids, bound by :tenant; its parameters
function M.register_filter(name, choose)
  filters[name] = choose
end

--- Gives a group of M.groups its meaning: by what reports are counted.
-- @param select function(report_id) -> SQL of the group's name for the report of that SQL
--   expression, bound by :tenant
function M.register_group(name, select)
  groups[name] = select
end

--- Returns SQL of the name of a group for the report of that SQL expression, or nil when no plugin
-- has such groups.
function M.select_group(name, report_id)
  return groups[name] and groups[name](report_id)
end

--- Tells whether a plugin adds that field.
function M.has_section(name)
  return sections[name] ~= nil
end

--- Tells whether a plugin gives that filter its meaning.
function M.has_filter(name)
  return filters[name] ~= nil
end

--- Returns the names of the fields that plugins add, in order.
function M.section_names()
  return names
end

--- Returns SQL that is true when a section has something for the report of that SQL expression.
function M.section_exists(name, report_id)
  return sections[name].exists(report_id)
end

--- Reads one field of these reports: {[report id] = value}.
function M.read_section(ctx, name, report_ids)
  return sections[name].read(ctx, report_ids)
end

--- Returns what a filter means, for the store: {sql, params}.
function M.choose(name, value)
  local sql, params = filters[name](value)
  return { sql = sql, params = params }
end

return M
