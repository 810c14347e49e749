--- First and last names out of what callers send.

local M = {}

--- @param input firstName and lastName, or fullName
-- @return first name, last name
function M.split(input)
  if input.firstName or input.lastName then
    return input.firstName or "", input.lastName or ""
  end
  local full = (input.fullName or ""):match("^%s*(.-)%s*$")
  local first, last = full:match("^(.-)%s+(%S+)$")
  return first or full, last or ""
end

return M
