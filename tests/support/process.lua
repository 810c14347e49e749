--- Processes by their id.
local cqueues = require("cqueues")

local M = {}

--- Whether it runs. One that has ended and whose parent has not asked for its fate yet does not:
-- where containers have a slow first process, that takes seconds.
function M.lives(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  local state = text and text:match("^.*%) (%a)") -- behind the name, which may hold anything
  return state ~= nil and state ~= "Z" and state ~= "X"
end

--- Waits until it has ended. @return whether it has within `seconds`
function M.await_end(pid, seconds)
  for _ = 1, seconds * 50 do
    if not M.lives(pid) then
      return true
    end
    if cqueues.running() then
      cqueues.sleep(0.02)
    else
      os.execute("sleep 0.02")
    end
  end
  return not M.lives(pid)
end

return M
