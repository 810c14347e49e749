--- A wall clock that the test sets, for a server and its MariaDB; what measures durations goes on as
-- always, as when somebody sets the clock of a machine. By libfaketime.
local M = {}

local LIBRARY = "/usr/lib/%s/faketime/libfaketime.so.1"

local Clock = {}
Clock.__index = Clock

--- @param shell function(command) -> exit code, output
-- @return clock with .env for the processes that are to have it
function M.new(shell)
  local _, machine = shell("gcc -print-multiarch")
  local path = os.tmpname()
  local self = setmetatable({ path = path, shell = shell, env = {
    LD_PRELOAD = LIBRARY:format((machine:gsub("%s", ""))), FAKETIME_TIMESTAMP_FILE = path,
    FAKETIME_NO_CACHE = 1, FAKETIME_DONT_FAKE_MONOTONIC = 1, FAKETIME_DISABLE_SHM = 1,
    NO_FAKE_STAT = 1,
  } }, Clock)
  self:set(0)
  return self
end

--- Sets it so many seconds ahead of the machine's, or behind; at once.
function Clock:set(seconds)
  local file = assert(io.open(self.path .. ".new", "w"))
  file:write(("%+d\n"):format(seconds))
  file:close()
  assert(os.rename(self.path .. ".new", self.path))
end

function Clock:remove()
  os.remove(self.path)
end

return M
