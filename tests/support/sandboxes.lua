--- The processes of scripts that belong to a test.
local M = {}

local NAME = "fixxit sandbox"

--- The ids of those that descend from a process.
-- @param root its id
function M.pids(root)
  local parents, named = {}, {}
  local pipe = assert(io.popen("ps -e -o pid=,ppid=,stat=,comm="))
  for line in pipe:lines() do
    local pid, parent, state, name = line:match("^%s*(%d+)%s+(%d+)%s+(%S+)%s+(.-)%s*$")
    if pid then
      parents[tonumber(pid)] = tonumber(parent)
      if name == NAME and not state:find("^Z") then
        named[#named + 1] = tonumber(pid)
      end
    end
  end
  pipe:close()
  local found = {}
  for _, pid in ipairs(named) do
    local ancestor = pid
    while ancestor and ancestor ~= root do
      ancestor = parents[ancestor]
    end
    found[#found + 1] = ancestor and pid or nil
  end
  return found
end

return M
