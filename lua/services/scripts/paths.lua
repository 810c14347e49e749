--- How a tenant's files may be named, and how much there may be of them.

local M = {}

M.PATH_MAX = 64 -- characters: what the audit trail names
M.FILE_MAX = 65536 -- bytes of one file
M.RELEASE_MAX = 2097152 -- bytes of all files of a draft or release
M.FILES_MAX = 200

local ENDINGS = { lua = true, md = true, json = true }

--- Why a text is no path of a script, or nil.
function M.problem(path)
  local ending = path:match("^[a-z0-9_/-]+%.(%l+)$")
  if not ending or not ENDINGS[ending] then
    return "must be of a-z, 0-9, _, - and /, and end with .lua, .md or .json"
  elseif path:find("^/") or path:find("//", 1, true) or path:find("/%.%l+$") then
    return "must have a name between slashes"
  elseif #path > M.PATH_MAX then
    return "must have at most " .. M.PATH_MAX .. " characters"
  end
end

--- Whether a file is a rule: what runs. Specs, notes and data lie beside the rules.
function M.is_rule(path)
  return path:find("%.lua$") ~= nil and not M.is_spec(path)
end

--- Whether a file is a spec of the rules.
function M.is_spec(path)
  return path:find("_spec%.lua$") ~= nil
end

return M
